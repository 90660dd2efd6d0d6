//! `sessions …`: what the store in the data dir knows of sessions, also while a server writes to
//! it. Nothing is made or changed there.

use crate::{
    cli::{Place, SessionsCommand},
    commands::print,
    config::{Environment, Settings},
    data_dir,
    failure::Failure,
    table,
};
use mcp_store::{
    HistoryRow, SessionDetail, SessionFilter, SessionRecord, SqliteReader, Status, StatusWord,
    UtcMillis,
};
use serde_json::{Value, json};

/// Most signs of a text that a client chose, in a table.
const WIDEST: usize = 28;

/// `sessions …`
pub(crate) fn sessions(command: SessionsCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        SessionsCommand::List { place, status, limit, json } => {
            let reader = open_for_reading(place, environment)?;
            let status = status.as_deref().map(|word| match word {
                "active" => StatusWord::Active,
                _ => StatusWord::Disconnected,
            });
            let (filter, limit) = (SessionFilter { status, principal: None }, usize::from(limit));
            // One more than asked for shows that there are more.
            let mut found = reader.sessions(&filter, limit + 1).map_err(Failure::run)?;
            let more = found.len() > limit;
            found.truncate(limit);
            print(&if json { list_json(&found, more) } else { list(&found, more, table::width()) })
        }
        SessionsCommand::Show { place, id, json } => {
            let reader = open_for_reading(place, environment)?;
            let found = reader.session(&id).map_err(Failure::run)?;
            let Some(detail) = found else {
                let id: String = plain(&id, 64);
                return Err(Failure::run(format!("there is no session {id} in the store")));
            };
            print(&if json { detail_json(&detail) } else { show(&detail, table::width()) })
        }
    }
}

fn open_for_reading(place: Place, environment: &Environment) -> Result<SqliteReader, Failure> {
    let named = Settings::data_dir(&place.given(), environment)?;
    let dir = data_dir::place(named.as_deref())?;
    SqliteReader::open(&dir).map_err(Failure::run)
}

fn list_json(sessions: &[SessionRecord], more: bool) -> String {
    let sessions: Vec<Value> = sessions.iter().map(|session| session.to_json(true)).collect();
    format!("{:#}\n", json!({ "sessions": sessions, "more": more }))
}

fn detail_json(detail: &SessionDetail) -> String {
    let mut body = detail.session.to_json(true);
    body["history"] = detail.history.iter().map(HistoryRow::to_json).collect();
    format!("{body:#}\n")
}

fn list(sessions: &[SessionRecord], more: bool, width: Option<usize>) -> String {
    const HEAD: [&str; 8] =
        ["ID", "STATUS", "PRINCIPAL", "CLIENT", "LAST ACTIVITY", "REQUESTS", "ERRORS", "WHY"];
    if sessions.is_empty() {
        return "no sessions\n".to_owned();
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(sessions.iter().map(row));
    let mut text = table::table(&rows, width);
    if more {
        text.push_str("there are more: --limit shows up to 1000, --status one kind\n");
    }
    text
}

fn row(session: &SessionRecord) -> [String; 8] {
    let why = match session.status {
        Status::Active => "",
        Status::Disconnected { reason, .. } => reason.as_str(),
    };
    [
        session.id.to_string(),
        session.status.word().as_str().to_owned(),
        plain(&session.principal, WIDEST),
        plain(&client(session), WIDEST),
        seconds(session.last_activity),
        session.counts.requests.to_string(),
        session.counts.errors.to_string(),
        why.to_owned(),
    ]
}

fn client(session: &SessionRecord) -> String {
    let name = session.client_name.as_deref().unwrap_or("-");
    [name, session.client_version.as_deref().unwrap_or_default()].join(" ").trim_end().to_owned()
}

/// A time without its milliseconds.
fn seconds(at: UtcMillis) -> String {
    let text = at.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(whole, _)| format!("{whole}Z"))
}

/// A text that somebody else chose, fit for a terminal.
fn plain(text: &str, most: usize) -> String {
    let mut signs = text.chars().filter(|sign| !sign.is_control());
    let mut cut: String = signs.by_ref().take(most).collect();
    if signs.next().is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

fn show(SessionDetail { session, history }: &SessionDetail, width: Option<usize>) -> String {
    let facts = facts(session).map(|(name, value)| [name.to_owned(), value]);
    let happened: Vec<[String; 2]> = history.iter().map(happened).collect();
    format!("{}\nhistory\n{}", table::table(&facts, width), table::table(&happened, width))
}

fn facts(session: &SessionRecord) -> [(&'static str, String); 12] {
    let text = |text: Option<&str>| plain(text.unwrap_or("-"), 200);
    let status = match session.status {
        Status::Active => "active".to_owned(),
        Status::Disconnected { at, reason } => {
            format!("disconnected since {at}: {}", reason.as_str())
        }
    };
    let counts = session.counts;
    [
        ("session", session.id.to_string()),
        ("status", status),
        ("principal", text(Some(&session.principal))),
        ("client", plain(&client(session), 200)),
        ("user agent", text(session.user_agent.as_deref())),
        ("address", text(session.address.as_deref())),
        ("transport", session.transport.as_str().to_owned()),
        ("revision", session.revision.as_str().to_owned()),
        ("capabilities", text(Some(&session.capabilities))),
        ("created", session.created.to_string()),
        ("last activity", session.last_activity.to_string()),
        ("requests", format!("{}, {} of them errors", counts.requests, counts.errors)),
    ]
}

fn happened(row: &HistoryRow) -> [String; 2] {
    let reason = row.reason.map(mcp_telemetry::Reason::as_str);
    let words = [Some(row.what.as_str()), reason, row.detail.as_deref()];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    [row.at.to_string(), plain(&words.join("  "), 300)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_store::{Counts, Happening};
    use mcp_telemetry::{Reason, Transport};

    fn session(id: &str, client: &str, status: Status) -> SessionRecord {
        SessionRecord {
            id: id.into(),
            principal: "token".into(),
            transport: Transport::Http,
            revision: mcp_protocol::Revision::V2025_11_25,
            client_name: Some(client.into()),
            client_version: Some("1".into()),
            user_agent: None,
            address: None,
            capabilities: "{}".into(),
            log_level: None,
            subscriptions: Vec::new(),
            created: UtcMillis::from_millis(0),
            last_activity: UtcMillis::from_millis(61_500),
            initialized: true,
            status,
            counts: Counts { requests: 12_345, errors: 6 },
            streams: 0,
            resume: None,
        }
    }

    fn ended() -> Status {
        let at = UtcMillis::from_millis(70_000);
        Status::Disconnected { at, reason: Reason::TimeoutNoActivity }
    }

    #[test]
    fn columns_line_up_and_what_a_client_wrote_stays_in_its_own() {
        let long = session("b", &format!("é\u{1b}[31m\n{}", "x".repeat(90)), ended());
        let text = list(&[session("a", "c", Status::Active), long], true, None);
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), 4, "{text}");
        let column = |name: &str| lines[0].iter().collect::<String>().find(name).expect("a head");
        for name in ["STATUS", "PRINCIPAL", "CLIENT", "LAST", "REQUESTS", "ERRORS", "WHY"] {
            for line in &lines[..3] {
                assert!(line.get(column(name) - 1).is_none_or(|sign| *sign == ' '), "{text}");
            }
        }
        assert!(text.contains("1970-01-01T00:01:01Z") && text.contains("timeout_no_activity"));
        assert!(!text.contains('\u{1b}') && text.contains('…') && text.contains("more"), "{text}");
        assert_eq!(list(&[], false, None), "no sessions\n");
    }

    #[test]
    fn a_session_is_shown_with_why_it_ended_and_its_history() {
        let at = UtcMillis::from_millis(70_000);
        let (what, reason) = (Happening::Disconnected, Some(Reason::TimeoutNoActivity));
        let history = vec![
            HistoryRow {
                at: UtcMillis::from_millis(0),
                what: Happening::Opened,
                reason: None,
                detail: None,
            },
            HistoryRow { at, what, reason, detail: Some("a word".into()) },
        ];
        let detail = SessionDetail { session: session("a", "c", ended()), history };
        let text = show(&detail, None);
        assert!(text.contains("disconnected since 1970-01-01T00:01:10.000Z: timeout_no_activity"));
        assert!(
            text.ends_with("1970-01-01T00:01:10.000Z  disconnected  timeout_no_activity  a word\n"),
            "{text}"
        );
        let shown: Value = serde_json::from_str(&detail_json(&detail)).expect("JSON");
        assert_eq!(shown["history"][1]["to"], "disconnected");
    }
}
