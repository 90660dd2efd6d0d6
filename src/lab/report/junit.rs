//! `junit.xml`: a suite for each scenario, a case for each expectation, for what shows test results.

use super::{
    story,
    words::{clean, duration},
};
use crate::result::{Expectation, RunResult, Scenario, Verdict};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// Failures that are told in a case.
const FAILURES: usize = 20;

/// The result as JUnit XML.
pub(crate) fn render(run: &RunResult) -> Result<String, SerializeError> {
    let mut report = Report::new(clean(&run.target.name));
    report.set_time(time(run.duration_s));
    report.add_test_suites(run.scenarios.iter().map(suite));
    report.to_string()
}

fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn suite(scenario: &Scenario) -> TestSuite {
    let mut suite = TestSuite::new(clean(&scenario.name));
    suite.set_time(time(scenario.duration_s));
    suite.set_system_out(story::of_scenario(scenario));
    if scenario.verdict == Verdict::Skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(clean(scenario.reason.as_deref().unwrap_or("it was not run")));
        suite.add_test_case(case(scenario, "run", status));
        return suite;
    }
    suite.add_test_cases(
        scenario.expectations.iter().map(|e| case(scenario, &e.name, status(scenario, e))),
    );
    // A scenario may fail with all that was expected held, or nothing: it could not be ended.
    let has_failed = scenario.expectations.iter().any(|expectation| !expectation.passed);
    if scenario.verdict == Verdict::Failed && !has_failed {
        let reason = scenario.reason.as_deref().unwrap_or("it failed");
        suite.add_test_case(case(scenario, "run", failure(scenario, clean(reason))));
    } else if scenario.expectations.is_empty() {
        suite.add_test_case(case(scenario, "run", TestCaseStatus::success()));
    }
    suite
}

fn case(scenario: &Scenario, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(&scenario.name));
    case
}

fn status(scenario: &Scenario, expectation: &Expectation) -> TestCaseStatus {
    if expectation.passed {
        return TestCaseStatus::success();
    }
    let (expected, measured) = (clean(&expectation.expected), clean(&expectation.measured));
    let cause = expectation.cause.as_deref().map(|cause| format!("; cause: {}", clean(cause)));
    let message = format!("expected {expected}, measured {measured}{}", cause.unwrap_or_default());
    failure(scenario, message)
}

fn failure(scenario: &Scenario, message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message).set_type("expectation").set_description(failures(scenario));
    status
}

fn failures(scenario: &Scenario) -> String {
    let lines = scenario.failures.iter().take(FAILURES).map(|failure| {
        let client = failure
            .client
            .as_deref()
            .map_or(String::new(), |client| format!(" {}:", clean(client)));
        let fault = failure
            .fault
            .as_deref()
            .map_or(String::new(), |fault| format!(" (fault {})", clean(fault)));
        format!(
            "{}{client} {}: {}{fault}",
            duration(failure.at_s),
            clean(&failure.what),
            clean(&failure.message)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
