//! An actor's calls and lists, and what their answers tell of others.

use super::Actor;
use crate::{
    oracle::tools::{first_text, run_of},
    result::{Outcome, What},
    run::{ask, notes::Call},
};
use serde_json::{Map, Value};

impl Actor {
    pub(super) async fn list_tools(&self) -> Result<(), String> {
        let agent = self.agent()?;
        let tools = ask::list_tools(&agent, self.timeout()).await?;
        let listed: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        let known = self.stage.menu.tools.iter();
        let missing: Vec<String> =
            known.filter(|name| !listed.contains(&name.as_str())).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let told = format!(
            "{} of {} tools are missing: {}",
            missing.len(),
            self.stage.menu.tools.len(),
            missing.join(", ")
        );
        self.stage.notes().missing.extend(missing);
        Err(told)
    }

    /// Calls a tool and notes how that ended: what went wrong, if something did.
    pub(in crate::run) async fn call(
        &self,
        tool: Option<&str>,
        arguments: Option<&Map<String, Value>>,
        ms: u32,
        due_s: Option<f64>,
    ) -> Result<Option<String>, String> {
        let agent = self.agent()?;
        let number = self.stage.next_call();
        // Rounded; times are bounded when a scenario is read.
        let ms = (f64::from(ms) * self.stage.scale).round() as u32;
        // Of one length, so that what is sent does not depend on who came first.
        let key = format!("{}{number:08}", self.stage.prefix);
        let menu = &self.stage.menu;
        let (tool, arguments, keyed) = match (tool, &menu.oracle, &menu.harmless) {
            (Some(tool), ..) => (tool, arguments.cloned().unwrap_or_default(), false),
            (None, Some((run, _)), _) => (run.as_str(), run_of(&key, ms), true),
            (None, None, Some((harmless, with))) => (harmless.as_str(), with.clone(), false),
            (None, None, None) => return Err("the target has no tool that does no harm".to_owned()),
        };
        let what = format!("tools/call {tool}");
        let sent_s = self.stage.at();
        self.stage.notes().calls_started += 1;
        self.stage.show(|now| now.calls += 1);
        self.stage.tell(self.name(), What::CallStarted { call: number, what: what.clone() });
        let ended = ask::call_tool(&agent, tool, &arguments, self.timeout(), false).await;
        let ended_s = self.stage.at();
        self.leaks(keyed.then_some(key.as_str()), &ended);
        self.stage.tell(
            self.name(),
            What::CallEnded {
                call: number,
                outcome: ended.outcome,
                duration_ms: (ended_s - sent_s) * 1e3,
                error: ended.message.clone(),
            },
        );
        let failed = (ended.outcome != Outcome::Ok)
            .then(|| format!("{what}: {}", ended.message.clone().unwrap_or_default()));
        if failed.is_some() {
            self.stage.show(|now| now.failures += 1);
        }
        self.stage.notes().call(Call {
            number,
            client: self.part.name.clone(),
            what,
            keyed,
            due_s: due_s.unwrap_or(sent_s),
            sent_s,
            ended_s,
            outcome: ended.outcome,
            told_not_run: ended.told_not_run,
            message: ended.message,
        });
        Ok(failed)
    }

    /// An answer under another key than the call's was meant for somebody else.
    pub(super) fn leaks(&self, key: Option<&str>, ended: &ask::Ended) {
        let (Some(key), Outcome::Ok) = (key, ended.outcome) else { return };
        let answered = first_text(&ended.result);
        if answered != Some(key) {
            self.stage.notes().leaked += 1;
            let told =
                format!("the answer is that of another call: {}", answered.unwrap_or("none"));
            self.stage.failed(self.name(), "answer", &told, self.stage.at());
            self.wrong(told);
        }
    }
}
