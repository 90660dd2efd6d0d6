//! What types cannot say of a scenario: that its names fit, and that nothing in it is for ever.

use super::{Expect, Group, Load, Scenario, Step, read::nearest};
use std::collections::HashSet;

/// Most clients of a scenario, and most agents of one step.
const MOST_CLIENTS: u32 = 1_000;
/// Most steps inside one another.
const DEEPEST: usize = 8;

/// Looks for mistakes; tells the first.
pub(super) fn check(scenario: &Scenario) -> Result<(), String> {
    let is_word =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if scenario.name.is_empty() || !scenario.name.chars().all(is_word) {
        return Err("name: small letters, digits and dashes only".to_owned());
    }
    if !(scenario.quick > 0.0 && scenario.quick <= 1.0) {
        return Err("quick: a time scale above 0, at most 1".to_owned());
    }
    if scenario.personas.is_empty() {
        return Err("personas: at least one".to_owned());
    }
    if scenario.probe.every_ms < 10 {
        return Err("probe.every_ms: at least 10".to_owned());
    }
    scenario.load.as_ref().map_or(Ok(()), load)?;
    for (at, group) in scenario.clients.iter().enumerate() {
        clients(group).map_err(|reason| format!("clients[{at}].{reason}"))?;
    }
    twice(scenario.clients.iter().map(|group| group.role.as_str()))
        .map_or(Ok(()), |role| Err(format!("clients: two groups of the role `{role}`")))?;
    twice(scenario.faults.iter().map(super::Fault::name))
        .map_or(Ok(()), |name| Err(format!("faults: two are named `{name}`")))?;
    let total: u32 = scenario.clients.iter().map(|group| group.count).sum();
    if total > MOST_CLIENTS {
        return Err(format!("clients: {total} are too many, at most {MOST_CLIENTS}"));
    }
    for (at, expect) in scenario.expect.iter().enumerate() {
        bound(expect).map_err(|reason| format!("expect[{at}]: {reason}"))?;
    }
    let all = scenario.steps.iter().chain(scenario.clients.iter().flat_map(|group| &group.steps));
    all.clone().try_for_each(|step| names(scenario, step))?;
    scenario.steps.iter().try_for_each(script)?;
    all.clone().try_for_each(|step| shape(step, DEEPEST))
}

/// The first of those names that was there before.
fn twice<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut known = HashSet::new();
    names.find(|name| !known.insert(*name))
}

fn load(load: &Load) -> Result<(), String> {
    if !(load.rate > 0.0 && load.rate <= 100_000.0) {
        return Err("load.rate: calls a second, above 0, at most 100000".to_owned());
    }
    if !(1..=MOST_CLIENTS).contains(&load.clients) {
        return Err(format!("load.clients: from 1 to {MOST_CLIENTS}"));
    }
    Ok(())
}

fn clients(group: &Group) -> Result<(), String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if group.role.is_empty() || !group.role.chars().all(is_word) {
        return Err("role: one word, it names files".to_owned());
    }
    if group.count == 0 { Err("count: at least 1".to_owned()) } else { Ok(()) }
}

fn bound(expect: &Expect) -> Result<(), String> {
    match (expect.at_least, expect.at_most) {
        (None, None) => Err("write at_least, at_most or both".to_owned()),
        (Some(least), Some(most)) if least > most => {
            Err(format!("nothing is at least {least} and at most {most}"))
        }
        _ => Ok(()),
    }
}

/// Faults that are switched must be there.
fn names(scenario: &Scenario, step: &Step) -> Result<(), String> {
    if let Step::Fault { on, off, .. } = step {
        if on.is_some() == off.is_some() {
            return Err("fault: write on or off, and one of them only".to_owned());
        }
        let name = on.as_deref().or(off.as_deref()).unwrap_or_default();
        let known = || scenario.faults.iter().map(super::Fault::name);
        if !known().any(|known| known == name) {
            let hint = nearest(name, known())
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("fault: there is none named `{name}`{hint}"));
        }
    }
    step.inner().into_iter().try_for_each(|step| names(scenario, step))
}

/// The script has no connection of its own.
fn script(step: &Step) -> Result<(), String> {
    if step.needs_a_client() {
        return Err(format!("steps: `{}` is for a client, put it under [[clients]]", step.word()));
    }
    // Agents are clients: what they do is theirs.
    if matches!(step, Step::SpawnAgents { .. }) {
        return Ok(());
    }
    step.inner().into_iter().try_for_each(script)
}

/// Nothing is for ever, and nothing is empty.
fn shape(step: &Step, deepest: usize) -> Result<(), String> {
    if deepest == 0 {
        return Err(format!("more than {DEEPEST} steps inside one another"));
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing in the others can be wrong")]
    match step {
        Step::Repeat { times: None, seconds: None, .. } => {
            return Err("repeat: write times, seconds or both".to_owned());
        }
        Step::Heartbeat { every, .. } if every.get() < 0.01 => {
            return Err("heartbeat: every is at least 0.01".to_owned());
        }
        Step::SpawnAgents { count, .. } if !(1..=MOST_CLIENTS).contains(count) => {
            return Err(format!("spawn-agents: count is from 1 to {MOST_CLIENTS}"));
        }
        Step::Expect { that, at_least, at_most } => {
            bound(&Expect { that: *that, at_least: *at_least, at_most: *at_most })?;
        }
        _ => {}
    }
    step.inner().into_iter().try_for_each(|step| shape(step, deepest - 1))
}
