//! Protocol revisions, and the two eras they fall into.

/// A released revision of MCP that this build speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05; served without its HTTP+SSE transport.
    V2024_11_05,
    /// 2025-03-26, the only one with JSON-RPC batches over Streamable HTTP.
    V2025_03_26,
    /// 2025-06-18.
    V2025_06_18,
    /// 2025-11-25, the last with a handshake.
    V2025_11_25,
    /// 2026-07-28, stateless.
    V2026_07_28,
}

/// Which way of speaking a revision belongs to (`basic/versioning.mdx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// Handshake and sessions: revisions up to 2025-11-25.
    Legacy,
    /// Metadata on every request: 2026-07-28.
    Modern,
}

impl Era {
    /// The word used in labels and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// The other era.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Legacy => Self::Modern,
            Self::Modern => Self::Legacy,
        }
    }
}

impl Revision {
    /// All revisions, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The newest revision with a handshake: the answer to an `initialize` that asks
    /// for something unknown.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// The newest stateless revision.
    pub const LATEST_MODERN: Self = Self::V2026_07_28;
    /// What an absent `MCP-Protocol-Version` header means, unless the session knows better
    /// (2025-11-25 `basic/transports.mdx`).
    pub const ASSUMED: Self = Self::V2025_03_26;

    /// The wire name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that name. Names are an enumerated set, never compared as text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// The era it belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => {
                Era::Legacy
            }
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// What `initialize` answers to a client that asks for `requested`: the same if it is a
    /// legacy revision we know, else our latest legacy one.
    #[must_use]
    pub fn negotiate(requested: &str) -> Self {
        Self::parse(requested)
            .filter(|revision| revision.era() == Era::Legacy)
            .unwrap_or(Self::LATEST_LEGACY)
    }

    /// Whether one HTTP body may hold several messages.
    #[must_use]
    pub fn has_batches(self) -> bool {
        self <= Self::V2025_03_26
    }

    /// Whether a stream may open with an event whose data is empty. Older clients parse
    /// the empty data as JSON and fail.
    #[must_use]
    pub fn has_priming_events(self) -> bool {
        self == Self::V2025_11_25
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initialize_never_negotiates_a_modern_revision() {
        assert_eq!(Revision::negotiate("2026-07-28"), Revision::V2025_11_25);
        assert_eq!(Revision::negotiate("1900-01-01"), Revision::V2025_11_25);
        assert_eq!(Revision::negotiate("2025-03-26"), Revision::V2025_03_26);
    }

    #[test]
    fn names_round_trip() {
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
        }
    }
}
