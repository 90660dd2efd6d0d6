//! Who a client is: how it behaves when its server is in trouble, as seen in the field.
//!
//! A persona is data (`habits`) and a pure decision over it; `policed` carries that out over
//! [`mcp_client::Connection`], which never heals itself. The persona `own` is this project's client
//! library, which decides for itself. A new persona is a row in `habits`.

mod agent;
mod habits;
mod policed;
mod sink;

pub use agent::{Agent, Opened};
pub use habits::{Failed, Habits, Next, Nature, Rule, SessionLost, State, all, by_name};
