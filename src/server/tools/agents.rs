//! The tools for agents and tasks: from arguments to what `agents` does.

use super::{Tool, ToolInput, ToolOutput};
use crate::{
    agents::{Agents, Order, Refused},
    call::BoxFuture,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Longest wait for a task's result that may be asked for, in seconds.
const LONGEST_WAIT: u64 = 60;
/// Most agents that may be asked for at once.
const MOST_AT_ONCE: u64 = 1_000;

type Done<'a> = BoxFuture<'a, Result<Value, Refused>>;

/// One of them.
struct AgentTool {
    agents: Agents,
    name: &'static str,
    description: &'static str,
    schema: Value,
    /// Read-only, and whether it may be called twice to the same effect.
    hints: (bool, bool),
    /// Whether it tells of a task that it gave.
    gives_task: bool,
    run: fn(&Agents, ToolInput) -> Done<'_>,
}

#[async_trait::async_trait]
impl Tool for AgentTool {
    fn name(&self) -> &'static str {
        self.name
    }
    fn description(&self) -> &'static str {
        self.description
    }
    fn input_schema(&self) -> Value {
        self.schema.clone()
    }
    fn annotations(&self) -> Option<Value> {
        let (read_only, idempotent) = self.hints;
        Some(json!({
            "readOnlyHint": read_only,
            "destructiveHint": !read_only,
            "idempotentHint": idempotent,
            "openWorldHint": false,
        }))
    }
    async fn call(&self, input: ToolInput) -> ToolOutput {
        match (self.run)(&self.agents, input).await {
            Ok(value) if value.get("error").is_some() => ToolOutput::json(value).failed(),
            Ok(value) if self.gives_task => {
                let id = value["taskId"].as_str().unwrap_or_default().to_owned();
                ToolOutput::json(value).of_task(&id)
            }
            Ok(value) => ToolOutput::json(value),
            Err(refused) => {
                let (code, message) = (refused.code(), refused.to_string());
                ToolOutput::json(json!({ "code": code, "message": message })).failed()
            }
        }
    }
}

/// All of them.
pub(crate) fn agent_tools(agents: &Agents) -> Vec<Arc<dyn Tool>> {
    definitions(agents).into_iter().map(|tool| Arc::new(tool) as Arc<dyn Tool>).collect()
}

fn definitions(agents: &Agents) -> [AgentTool; 9] {
    let tool = |name, description, schema, hints, run| AgentTool {
        agents: agents.clone(),
        name,
        description,
        schema,
        hints,
        gives_task: name == "task_orchestrate",
        run,
    };
    let (reads, repeats, acts) = ((true, true), (false, true), (false, false));
    [
        tool(
            "agent_spawn",
            "Starts agents: MCP servers as child processes, made from a template of the operator's, which are started again when they die.",
            spawn_schema(),
            acts,
            spawn,
        ),
        tool(
            "agent_list",
            "Lists your agents, how each is and what it runs, and the types there are.",
            none(),
            reads,
            list,
        ),
        tool(
            "agent_stop",
            "Stops one of your agents, or all. The task that one runs is lost with it, or placed again where that is safe.",
            object(
                json!({ "id": text("The agent's id"), "all": { "type": "boolean", "description": "Stop all" } }),
                &[],
            ),
            repeats,
            stop,
        ),
        tool(
            "task_orchestrate",
            "Gives a task to the next free agent of yours. It is a tool call that is made once, survives disconnects and restarts, and is asked after with `task_results`.",
            task_schema(),
            acts,
            orchestrate,
        ),
        tool(
            "task_status",
            "Tells how a task is and what happened to it; without an id, how many tasks are in which state, and the newest.",
            object(json!({ "taskId": text("The task's id") }), &[]),
            reads,
            status,
        ),
        tool(
            "task_results",
            "Tells what came of a task: its result, or why there is none and whether it ran. Waits for its end if asked.",
            results_schema(),
            reads,
            results,
        ),
        tool(
            "task_cancel",
            "Gives a task up, and tells how it ended.",
            object(json!({ "taskId": text("The task's id") }), &["taskId"]),
            repeats,
            cancel,
        ),
        tool(
            "swarm_status",
            "Tells how many of your agents and tasks are in which state, and the limits.",
            none(),
            reads,
            swarm,
        ),
        tool(
            "memory_usage",
            "Tells how much memory the server and each of your agents take.",
            none(),
            reads,
            memory,
        ),
    ]
}

fn text(what: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 100_000, "description": what })
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn none() -> Value {
    object(json!({}), &[])
}

fn spawn_schema() -> Value {
    let count = json!({ "type": "integer", "minimum": 1, "maximum": MOST_AT_ONCE, "description": "How many (default 1): all are started, or none" });
    let kind = text("The template (default `worker`, else the first); see `agent_list`");
    object(json!({ "type": kind, "count": count }), &[])
}

fn task_schema() -> Value {
    let arguments = json!({ "type": "object", "description": "Arguments of the tool" });
    object(
        json!({
            "task": text("What it is about, in your words"),
            "tool": text("The agents' tool to call (default `perform`, which gets the task itself)"),
            "arguments": arguments,
            "agents": text("The type of agents that may run it (default as in `agent_spawn`)"),
        }),
        &["task"],
    )
}

fn results_schema() -> Value {
    let wait = json!({ "type": "number", "minimum": 0, "maximum": LONGEST_WAIT, "description": "Longest time to wait for its end, in seconds (default 0)" });
    object(json!({ "taskId": text("The task's id"), "wait": wait }), &["taskId"])
}

fn named(input: &ToolInput, name: &str) -> Option<String> {
    input.arguments[name].as_str().map(ToOwned::to_owned)
}

fn spawn(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move {
        let count = input.arguments["count"].as_u64().unwrap_or(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let kind = named(&input, "type");
        agents.spawn(input.caller.principal, kind.as_deref(), count).await
    })
}

fn list(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move { Ok(agents.list(&input.caller.principal)) })
}

fn stop(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move {
        let id = named(&input, "id");
        if id.is_none() && input.arguments["all"] != true {
            return Err(Refused::NoAgent);
        }
        agents.halt(input.caller.principal, id).await
    })
}

fn orchestrate(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move {
        let (task, tool) = (named(&input, "task").unwrap_or_default(), named(&input, "tool"));
        let (kind, principal) = (named(&input, "agents"), Arc::clone(&input.caller.principal));
        let arguments = input.arguments.get("arguments").cloned().unwrap_or_else(|| json!({}));
        agents.give(Order { principal, task, tool, arguments, kind }).await
    })
}

fn status(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move {
        match named(&input, "taskId") {
            Some(id) => agents.task(&input.caller.principal, &id),
            None => Ok(agents.tasks(&input.caller.principal)),
        }
    })
}

fn results(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move {
        let seconds = input.arguments["wait"].as_f64().unwrap_or(0.0);
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let id = named(&input, "taskId").unwrap_or_default();
        agents.result(&input.caller.principal, &id, wait).await
    })
}

fn cancel(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move {
        let id = named(&input, "taskId").unwrap_or_default();
        agents.cancel(&input.caller.principal, &id).await
    })
}

fn swarm(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move { Ok(agents.swarm(&input.caller.principal)) })
}

fn memory(agents: &Agents, input: ToolInput) -> Done<'_> {
    Box::pin(async move { Ok(agents.memory(&input.caller.principal)) })
}
