//! Whether a call that got no answer is sent again: the one decision, and the one budget, of a
//! [`Client`](crate::Client) and of who keeps connections of his own. Pure: time, chance and state
//! are passed in.

mod budget;
mod correction;
mod verdict;

pub use budget::{Budget, BudgetRule};
pub use correction::Correction;
pub use verdict::{Next, Stop, Tried};
