// Scenarios of extensions that we serve. The suite runs them and leaves them out of what it
// requires of a revision; here they count as if it did.
export const scenarios = {
  '2026-07-28': [
    'tasks-capability-negotiation',
    'tasks-dispatch-and-envelope',
    'tasks-lifecycle',
    'tasks-mrtr-composition',
    'tasks-mrtr-input',
    'tasks-request-headers',
    'tasks-request-state-removal',
    'tasks-required-task-error',
    'tasks-wire-fields',
  ],
};

// Those that cannot count, and why.
export const leftOut = {
  'tasks-status-notifications': 'the suite skips it itself, until it listens where notifications are sent now',
};
