//! `lab list` and `lab run`: what is asked for on the command line, and the exit code that comes of it.

use crate::{app::Signals, chaos_command::listening, commands::print, failure::Failure, table};
use clap::{Args, ValueHint};
use mcp_client::Secret;
use mcp_lab::{
    exposed::Exposed,
    live::{self, View},
    persona,
    progress::{self, Progress},
    report::{Folder, FolderError},
    result::{self, RunResult, Verdict},
    run::{LabError, Pace, Run},
    scenario::{Scenario, by_name, read_file, shipped},
    target::TargetSpec,
};
use std::{
    cell::OnceCell,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::watch;

/// Longest time that a scenario can be asked to last, in seconds: a month.
const LONGEST: f64 = 2_678_400.0;

/// What is to be run, and against what. Holds a secret, so it cannot be printed with `Debug`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Given {
    /// Scenarios by name, or files of your own (.toml, .json); all that there are without one
    scenarios: Vec<String>,
    /// Test the server at this URL; with --spawn, where the command's server is, with {port} in it
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    target: Option<String>,
    /// Start this command and test it: with {port} in it as an HTTP server, else over standard input
    /// and output
    #[arg(long, value_name = "COMMAND")]
    spawn: Option<String>,
    /// Send this token; other users of this machine may see it, so prefer MCP_ORCHESTRATOR_TOKEN
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Be this client, or these, in place of those that the scenarios name
    #[arg(long, value_name = "PERSONA", value_delimiter = ',')]
    persona: Vec<String>,
    #[command(flatten)]
    pace: PaceGiven,
    /// Let all chance come from this number, so that faults can be repeated [default: any]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write results and reports into this folder [default: test-results/ and the time]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Tell Prometheus at this address, such as 127.0.0.1:9464, how the run goes (path /metrics)
    #[arg(long, value_name = "ADDR", value_parser = listening)]
    metrics: Option<SocketAddr>,
}

/// How long scenarios take.
#[derive(Args)]
pub(crate) struct PaceGiven {
    /// Let each scenario last so many seconds: all its times are scaled
    #[arg(long, value_name = "SECONDS", value_parser = positive, conflicts_with_all = ["time_scale", "quick"])]
    duration: Option<f64>,
    /// Multiply all times of the scenarios with this
    #[arg(long, value_name = "FACTOR", value_parser = positive, conflicts_with = "quick")]
    time_scale: Option<f64>,
    /// Run the quick form of each scenario, of about ten seconds
    #[arg(long)]
    quick: bool,
}

impl PaceGiven {
    pub(crate) fn pace(&self) -> Pace {
        match (self.quick, self.time_scale, self.duration) {
            (true, ..) => Pace::Quick,
            (_, Some(scale), _) => Pace::Times(scale),
            (.., Some(duration)) => Pace::Lasting(Duration::from_secs_f64(duration)),
            _ => Pace::Real,
        }
    }
}

const HELP: &str = "\
Examples:
  mcp-orchestrator lab run --quick --target http://127.0.0.1:3001/mcp
  mcp-orchestrator lab run server-restart --spawn 'my-server --port {port}'

--metrics asks for no token: what it tells are names of scenarios and numbers.

Exit codes: 0 every expectation held, 1 one failed, 2 the command line or a scenario is wrong, \
130 a signal ended it.";

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if number > 0.0 && number <= LONGEST {
        Ok(number)
    } else {
        Err(format!("write a number above 0, at most {LONGEST}"))
    }
}

/// `lab list`
pub(crate) fn list() -> Result<(), Failure> {
    let scenarios = shipped().map_err(Failure::run)?;
    let row = |scenario: &Scenario| {
        let quick = scenario.duration.get() * scenario.quick;
        [
            scenario.name.clone(),
            seconds(scenario.duration.get()),
            seconds(quick),
            scenario.description.clone(),
        ]
    };
    let head = ["SCENARIO", "TIME", "QUICK", "WHAT IT IS FOR"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(scenarios.iter().map(row)).collect();
    let people =
        persona::all().iter().map(|habits| [habits.name.to_owned(), habits.about.to_owned()]);
    let head = ["PERSONA", "WHO THAT IS"].map(str::to_owned);
    let people: Vec<_> = std::iter::once(head).chain(people).collect();
    let width = table::width();
    print(&format!("{}\n{}", table::table(&rows, width), table::table(&people, width)))
}

fn seconds(seconds: f64) -> String {
    if seconds >= 120.0 { format!("{:.0} min", seconds / 60.0) } else { format!("{seconds:.0} s") }
}

/// `lab run`
pub(crate) fn run(given: Given) -> Result<(), Failure> {
    let scenarios = scenarios(&given.scenarios)?;
    let pace = given.pace.pace();
    let token = given.token.or_else(|| std::env::var("MCP_ORCHESTRATOR_TOKEN").ok());
    let mut target = TargetSpec {
        url: given.target,
        spawn: given.spawn,
        token: token.filter(|token| !token.is_empty()).map(Secret::from),
        log: None,
    };
    target.check().map_err(|error| Failure::usage(error.to_string()))?;
    check_personas(&given.persona)?;
    let out = given.out.unwrap_or_else(usual_folder);
    let folder = Folder::create(&out).map_err(wrong_folder)?;
    target.log = Some(folder.logs().join("target.log"));
    let (log, writer) = folder.events().map_err(wrong_folder)?;
    let (tell, told) = progress::channel();
    let seed = given.seed.unwrap_or_else(any);
    let run = Run { scenarios, target, personas: given.persona, seed, pace, log, progress: tell };
    let mut result = perform(run, given.metrics, told)?;
    result.events = Some(writer.finish().map_err(Failure::run)?);
    folder.write(&result).map_err(Failure::run)?;
    judged(&result, &out)
}

/// Runs it, and shows how far it is.
fn perform(
    mut run: Run,
    metrics: Option<SocketAddr>,
    told: watch::Receiver<Progress>,
) -> Result<RunResult, Failure> {
    let Some(listen) = metrics else { return watched(run.run(), told)?.map_err(not_run) };
    let names = run.names().map_err(not_run)?;
    let exposed = Exposed::at(listen, &names).map_err(Failure::run)?;
    run.log = run.log.heard_by(exposed.counter());
    let kept = OnceCell::new();
    let running = async {
        // It is set here alone.
        let _set = kept.set(run.run().await);
    };
    let waited = watched(exposed.during(running), told);
    match (kept.into_inner(), waited) {
        // What ends the wait to be scraped once more costs no result.
        (Some(result), _) => result.map_err(not_run),
        (None, Err(failure)) => Err(failure),
        (None, Ok(Err(error))) => Err(Failure::run(error)),
        (None, Ok(Ok(()))) => Err(Failure::Interrupted),
    }
}

fn not_run(error: LabError) -> Failure {
    match error {
        LabError::Scenario(_) | LabError::Persona(_) => Failure::usage(error.to_string()),
        LabError::Target(_) | LabError::Chaos(_) | LabError::Client(_) => Failure::run(error),
    }
}

/// Waits for something that runs, and shows meanwhile how far it is. A signal ends it, and with it
/// what was started for it.
pub(crate) fn watched<T>(
    running: impl Future<Output = T>,
    told: watch::Receiver<Progress>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(anyhow::Error::from)?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let shown = live::show(told, View::of_stderr(), table::for_stderr);
        tokio::select! {
            biased;
            _name = signals.next() => Err(Failure::Interrupted),
            (result, ()) = async { tokio::join!(running, shown) } => Ok(result),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn judged(result: &RunResult, out: &Path) -> Result<(), Failure> {
    let failed = |verdict| verdict == Verdict::Failed;
    let failed = result.scenarios.iter().filter(|one| failed(one.verdict)).count();
    result.scenarios.iter().for_each(why);
    print(&format!("{}\n", out.join("report.html").display()))?;
    if result.passed() {
        return Ok(());
    }
    Err(Failure::run(match result.scenarios.len() {
        1 => "the scenario failed".to_owned(),
        all => format!("{failed} of {all} scenarios failed"),
    }))
}

/// Tells of each expectation of a scenario that failed, and what stands behind it.
fn why(scenario: &result::Scenario) {
    for failed in scenario.expectations.iter().filter(|expectation| !expectation.passed) {
        let cause = failed.cause.as_deref().unwrap_or("no cause was found");
        let (name, expected, measured) = (&failed.name, &failed.expected, &failed.measured);
        let wrong = format!("{name} {measured}, expected {expected}");
        tell(&format!("{}: {wrong}; cause: {cause}", scenario.name));
    }
}

/// Whether all are known.
pub(crate) fn check_personas(names: &[String]) -> Result<(), Failure> {
    match names.iter().find(|name| persona::by_name(name).is_none()) {
        Some(name) => Err(Failure::usage(LabError::Persona(name.clone()).to_string())),
        None => Ok(()),
    }
}

/// Says something to whoever waits.
pub(crate) fn tell(text: &str) {
    // With nobody to read it, there is nobody to tell.
    let _told = writeln!(io::stderr().lock(), "{}", table::for_stderr(text));
}

/// Scenarios by name or file; all that are shipped without any.
pub(crate) fn scenarios(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    if names.is_empty() {
        return shipped().map_err(Failure::run);
    }
    let read = |name: &String| {
        let path = Path::new(name);
        let is_file = path.extension().is_some_and(|end| end == "toml" || end == "json");
        let read = if is_file { read_file(path) } else { by_name(name) };
        read.map_err(|error| Failure::usage(error.to_string()))
    };
    names.iter().map(read).collect()
}

fn wrong_folder(error: FolderError) -> Failure {
    Failure::usage(error.to_string())
}

/// A folder whose name sorts by time.
pub(crate) fn usual_folder() -> PathBuf {
    let now = mcp_lab::run::rfc3339(std::time::SystemTime::now()).replace(':', "-");
    Path::new("test-results").join(now)
}

/// A seed that nobody chose; small enough to be typed again.
pub(crate) fn any() -> u64 {
    getrandom::u32().map_or(1, u64::from)
}
