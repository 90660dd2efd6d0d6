//! Who a client is: how it behaves when its server is in trouble, as seen in the field.
//!
//! A persona is data (`habits`) and a pure decision over it; `policed` carries that out over
//! [`mcp_client::Connection`], which never heals itself. The persona `own` is this project's client
//! library, which decides for itself. `tries` carries out the waiting. A new persona is a row in `field`.

mod agent;
mod field;
mod habits;
mod identity;
mod policed;
mod tries;

pub use agent::{Agent, Opened};
pub use field::{all, by_name};
pub use habits::{AfterFailure, Failed, Habits, Nature, Next, Rule, SessionLost, Spent, State};
