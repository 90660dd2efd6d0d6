//! Log lines for people: time of day, level, sentence, fields. What only machines need (the name
//! of the event, ids of traces) is left out; the JSON form has it.

use std::fmt::{self, Write as _};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

const FOR_MACHINES: [&str; 3] = ["event", "trace_id", "span_id"];

/// Writes one line an event.
pub(crate) struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        // 2026-11-21T05:18:10.123456Z: seconds are enough for people.
        let now = now.get(11..19).unwrap_or(&now);
        let (level, colour) = look(*event.metadata().level());
        if out.has_ansi_escapes() {
            write!(out, "\u{1b}[2m{now}\u{1b}[0m \u{1b}[{colour}m{level}\u{1b}[0m ")?;
        } else {
            write!(out, "{now} {level} ")?;
        }
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(out, "{}{}", line.sentence, line.fields)
    }
}

const fn look(level: Level) -> (&'static str, u8) {
    match level {
        Level::ERROR => ("error", 31),
        Level::WARN => ("warn ", 33),
        Level::INFO => ("info ", 32),
        Level::DEBUG => ("debug", 34),
        Level::TRACE => ("trace", 35),
    }
}

/// The parts of a line.
#[derive(Default)]
struct Line {
    sentence: String,
    fields: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.sentence);
        } else if !FOR_MACHINES.contains(&field.name()) {
            let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
            // Writing to a String cannot fail.
            let _infallible = if plain {
                write!(self.fields, "  {}={value}", field.name())
            } else {
                write!(self.fields, "  {}={value:?}", field.name())
            };
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_says_what_a_person_needs() {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(ForPeople)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let (state, error) = ("failed", "no such program");
            tracing::warn!(event = "x", trace_id = 7, state, error, tools = 3, "upstream");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            &text[8..],
            " warn  upstream  state=failed  error=\"no such program\"  tools=3\n"
        );
    }
}
