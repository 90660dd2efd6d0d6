//! The commands that print something and end: configuration, token, health, metrics.

use crate::{
    app,
    cli::{ConfigCommand, MetricsCommand, TokenCommand},
    config::{self, DEFAULT_FILE, Environment, Given, Settings, TokenFrom},
    data_dir::DataDir,
    failure::Failure,
    health, token,
};
use mcp_telemetry::{MetricInfo, MetricKind};
use serde_json::json;
use std::{
    io::{self, Write as _},
    path::Path,
};

/// `config …`
pub(crate) fn config(command: ConfigCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        ConfigCommand::Default => print(DEFAULT_FILE),
        ConfigCommand::Check { file } => check(&file, environment),
        ConfigCommand::Show(flags) => {
            let settings = Settings::load(&flags.given(), environment)?;
            complain(settings.warnings.iter().chain(&settings.refused));
            print(&config::show(&settings))
        }
    }
}

/// Looks at one file alone: what flags and variables would set does not count.
fn check(file: &Path, environment: &Environment) -> Result<(), Failure> {
    let text = config::read(file, "file")?;
    let settings = if text.trim_start().starts_with(['{', '/']) {
        config::check_servers(file, environment)?
    } else {
        let given = Given { file: Some(file.to_owned()), ..Given::default() };
        Settings::load(&given, &config::without_ours(environment))?
    };
    complain(&settings.warnings);
    if !settings.refused.is_empty() {
        return Err(Failure::usage(settings.refused.join("\n")));
    }
    let count = settings.server.upstreams.len();
    app::check(settings.server)?;
    print(&format!("{} is right; it names {count} upstream servers\n", file.display()))
}

/// `token …`
pub(crate) fn token(command: TokenCommand, environment: &Environment) -> Result<(), Failure> {
    let (flags, rotate) = match command {
        TokenCommand::Show(flags) => (flags, false),
        TokenCommand::Rotate(flags) => (flags, true),
    };
    let settings = Settings::load(&flags.given(), environment)?;
    if settings.token == TokenFrom::None && !rotate {
        return Err(Failure::usage("no token is asked for"));
    }
    let mut dir = DataDir::open(settings.data_dir.as_deref())?;
    let token = if rotate {
        Some(token::rotate(&settings.token, &dir)?)
    } else {
        token::find(&settings.token, settings.server.auth.token.as_ref(), &mut dir)?
    };
    complain(&dir.mended);
    if rotate && dir.is_in_use() {
        complain(["the running server asks for the old token until it is told to read its \
                   configuration again (SIGHUP)"]);
    }
    token.map_or(Ok(()), |token| print(&format!("{}\n", token.secret.expose())))
}

/// `health`
pub(crate) fn health(given: &Given, environment: &Environment) -> Result<(), Failure> {
    let server = Settings::server(given, environment)?;
    let answer = health::ask(server.listen, server.tls.cert_file.as_deref())?;
    print(&format!("{}\n", answer.trim_end()))
}

/// `metrics …`
pub(crate) fn metrics(command: &MetricsCommand) -> Result<(), Failure> {
    let MetricsCommand::List { json } = command;
    let mut catalogue = mcp_telemetry::catalogue();
    // Exposed by `chaos` alone.
    catalogue.extend(mcp_telemetry::chaos_catalogue());
    print(&if *json { metrics_json(&catalogue) } else { metrics_table(&catalogue) })
}

const fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

fn metrics_json(catalogue: &[MetricInfo]) -> String {
    let metrics = catalogue.iter().map(|metric| {
        json!({
            "name": metric.name, "type": kind(metric.kind), "labels": metric.labels,
            "buckets": metric.buckets, "help": metric.help,
        })
    });
    format!("{:#}\n", metrics.collect::<serde_json::Value>())
}

fn metrics_table(catalogue: &[MetricInfo]) -> String {
    let head = ["NAME", "TYPE", "LABELS", "MEANING"].map(str::to_owned);
    let row = |metric: &MetricInfo| {
        let labels =
            if metric.labels.is_empty() { "-".to_owned() } else { metric.labels.join(",") };
        [metric.name.to_owned(), kind(metric.kind).to_owned(), labels, metric.help.to_owned()]
    };
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(catalogue.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, kind, labels) = (width(0), width(1), width(2));
    let line = |row: &[String; 4]| {
        let [first, second, third, last] = row;
        format!("{first:name$}  {second:kind$}  {third:labels$}  {last}\n")
    };
    rows.iter().map(line).collect()
}

/// Prints to standard output; a reader that has seen enough is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn complain(words: impl IntoIterator<Item = impl AsRef<str>>) {
    let mut err = io::stderr().lock();
    for text in words {
        // With nobody to read it, there is nobody to tell.
        let _told = writeln!(err, "warning: {}", text.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_line_and_columns_line_up() {
        let catalogue: Vec<MetricInfo> = mcp_telemetry::catalogue().into_iter().collect();
        let table = metrics_table(&catalogue);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), catalogue.len() + 1);
        let column = lines[0].find("TYPE").expect("a head");
        assert!(lines.iter().all(|line| line.as_bytes()[column - 1] == b' '));
        assert!(table.contains("mcp_requests_total "));
        let parsed: serde_json::Value =
            serde_json::from_str(&metrics_json(&catalogue)).expect("JSON");
        assert_eq!(parsed.as_array().map(Vec::len), Some(catalogue.len()));
    }
}
