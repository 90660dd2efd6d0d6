//! The ways in which the server can be broken.

use std::str::FromStr;

/// A way to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Who resumes the stream of a call finds nothing there, and the result is gone.
    LoseResult,
    /// A session is forgotten after some requests.
    ForgetSessions,
    /// Now and then a call runs and is never answered.
    HangCall,
    /// Now and then a call runs a second time.
    RunTwice,
    /// When the process behind it dies, its tools are gone for a while.
    DropTools,
}

const NAMES: [(&str, Fault); 5] = [
    ("lose-result", Fault::LoseResult),
    ("forget-sessions", Fault::ForgetSessions),
    ("hang-call", Fault::HangCall),
    ("run-twice", Fault::RunTwice),
    ("drop-tools", Fault::DropTools),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault);
        found.ok_or_else(|| {
            let known = NAMES.map(|(known, _)| known).join(", ");
            format!("there is no fault named {name}; there are {known}")
        })
    }
}
