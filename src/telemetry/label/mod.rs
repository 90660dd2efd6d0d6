//! What may become a metric label: closed sets of words. Names that configuration bounds
//! (upstreams, tools) are in `registry`; nothing else is ever a label.

macro_rules! labels {
    ($( $(#[$outer:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal ),* $(,)? } )*) => { $(
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[ $( Self::$variant, )* ];

            /// The label value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }

            /// The value of that label value.
            #[must_use]
            pub fn of_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|label| label.as_str() == text)
            }
        }

        impl Label for $name {
            const ALL: &'static [Self] = $name::ALL;
            fn slot(self) -> usize {
                self as usize
            }
            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    )* };
}

mod call;
mod client;
mod lab;
mod process;
mod upstream;

pub use call::{Direction, Outcome, Success, Transport};
pub use client::{
    AuthCause, Bound, ConnectionKind, ConnectionStatus, Limit, RateLimit, Reason, ReconnectOutcome,
    ReconnectSide, Restoration,
};
pub use lab::{ChaosDirection, ChaosFault, LabOutcome, LabTools, LabVerdict};
pub use process::{ReloadOutcome, Signal, StoreOperation};
pub use upstream::{AttemptOutcome, Network, OutageCause, Replay, RestartCause, UpstreamState};

use mcp_protocol::Method;

/// A word from a set that is fixed at compile time.
pub(crate) trait Label: Copy + 'static {
    const ALL: &'static [Self];
    /// Position in [`Self::ALL`].
    fn slot(self) -> usize;
    fn text(self) -> &'static str;
}

impl Label for Method {
    const ALL: &'static [Self] = Method::ALL;
    fn slot(self) -> usize {
        self as usize
    }
    fn text(self) -> &'static str {
        self.as_str()
    }
}

/// The label values of one series, where every label is closed.
pub(crate) trait LabelSet: Copy + 'static {
    /// How many series there are.
    const SIZE: usize;
    /// Position of this one.
    fn slot(self) -> usize;
    /// The label values at a position.
    fn texts(slot: usize) -> Vec<&'static str>;
}

impl LabelSet for () {
    const SIZE: usize = 1;
    fn slot(self) -> usize {
        0
    }
    fn texts(_: usize) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> LabelSet for A {
    const SIZE: usize = A::ALL.len();
    fn slot(self) -> usize {
        Label::slot(self)
    }
    fn texts(slot: usize) -> Vec<&'static str> {
        vec![A::ALL[slot].text()]
    }
}

impl<A: Label, B: Label> LabelSet for (A, B) {
    const SIZE: usize = A::ALL.len() * B::ALL.len();
    fn slot(self) -> usize {
        self.0.slot() * B::ALL.len() + self.1.slot()
    }
    fn texts(slot: usize) -> Vec<&'static str> {
        vec![A::ALL[slot / B::ALL.len()].text(), B::ALL[slot % B::ALL.len()].text()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_slots<L: LabelSet + Label>() {
        for (place, value) in L::ALL.iter().enumerate() {
            assert_eq!((LabelSet::slot(*value), L::texts(place)), (place, vec![value.text()]));
        }
    }

    #[test]
    fn a_value_is_found_at_its_place() {
        assert_slots::<Method>();
        assert_slots::<Outcome>();
        assert_slots::<Reason>();
        for method in Method::ALL {
            for outcome in Outcome::ALL {
                let texts = <(Method, Outcome)>::texts((*method, *outcome).slot());
                assert_eq!(texts, [method.as_str(), outcome.as_str()]);
            }
        }
    }
}
