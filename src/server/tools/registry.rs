//! The registry: definitions as clients see them, schemas compiled once, and the run of one
//! call with its checks.

use super::{Tool, ToolInput, ToolOutput};
use crate::call::within;
use futures_util::FutureExt;
use jsonschema::Validator;
use mcp_protocol::{RawObject, RawValue, RpcError, raw_value};
use mcp_telemetry::{Event, Outcome, Telemetry, ToolLabel, UpstreamLabel};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// Why a tool cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The name breaks the rules.
    #[error("tool name `{0}` must be 1 to 64 of [A-Za-z0-9_-], without `__`")]
    Name(String),
    /// Two tools have one name.
    #[error("two tools are called `{0}`")]
    Twice(String),
    /// The schema is no JSON Schema of an object.
    #[error("the input schema of tool `{tool}` is not valid: {reason}")]
    Schema {
        /// The tool.
        tool: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A tool as it is kept here.
pub(crate) struct Registered {
    tool: Arc<dyn Tool>,
    validator: Validator,
    definition: Arc<RawValue>,
    label: ToolLabel,
    timeout: Duration,
}

/// All tools of our own, by name.
pub(crate) struct Registry {
    tools: BTreeMap<String, Arc<Registered>>,
}

/// How one run of a tool ended.
pub(crate) struct ToolRun {
    /// The result, or an error of the caller.
    pub(crate) payload: Result<Box<RawValue>, RpcError>,
    /// The same in the words of the metrics.
    pub(crate) outcome: Outcome,
}

impl Registry {
    /// Registers tools; a run takes at most `timeout` unless the tool says otherwise.
    pub(crate) fn new(
        tools: Vec<Arc<dyn Tool>>,
        timeout: Duration,
        telemetry: &Telemetry,
    ) -> Result<Self, RegistryError> {
        let mut registry = Self { tools: BTreeMap::new() };
        for tool in tools {
            let name = tool.name().to_owned();
            let registered = Arc::new(register(tool, timeout, telemetry)?);
            if registry.tools.insert(name.clone(), registered).is_some() {
                return Err(RegistryError::Twice(name));
            }
        }
        Ok(registry)
    }

    /// Reports that its tools can be called from here on, and that those of the registry before it
    /// which it has not cannot.
    pub(crate) fn report(&self, before: Option<&Self>, telemetry: &Telemetry) {
        let emit = |tool: &ToolLabel, available: bool| {
            telemetry.emit(&Event::ToolAvailabilityChanged { tool, available });
        };
        let gone = before.into_iter().flat_map(|before| &before.tools);
        gone.filter(|(name, _)| !self.tools.contains_key(*name))
            .for_each(|(_, registered)| emit(&registered.label, false));
        self.tools.values().for_each(|registered| emit(&registered.label, true));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.tools.keys().cloned().collect()
    }

    /// Definitions as `tools/list` gives them, in the order of their names.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &RawValue> {
        self.tools.values().map(|registered| registered.definition.as_ref())
    }

    /// The tool of that name, if it is one of ours.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Registered>> {
        self.tools.get(name).cloned()
    }
}

impl Registered {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.tool.name()
    }

    /// Its label for metrics.
    pub(crate) fn label(&self) -> &ToolLabel {
        &self.label
    }

    /// Checks the arguments and runs the tool.
    pub(crate) async fn run(&self, input: ToolInput) -> ToolRun {
        if let Some(reason) = self.complaint(&input.arguments) {
            return ToolRun::finished(ToolOutput::error(reason));
        }
        let call = AssertUnwindSafe(self.tool.call(input)).catch_unwind();
        match within(self.timeout, call).await {
            Ok(Ok(output)) => ToolRun::finished(output),
            Ok(Err(_panic)) => ToolRun::finished(ToolOutput::error(format!(
                "The tool `{}` failed inside. Its owner should look at the log.",
                self.name()
            ))),
            Err(_elapsed) => ToolRun {
                outcome: Outcome::Timeout,
                ..ToolRun::finished(ToolOutput::error(format!(
                    "The tool `{}` did not finish within {} s and was stopped.",
                    self.name(),
                    self.timeout.as_secs_f64()
                )))
            },
        }
    }

    /// Which fields do not fit the schema, and why; `None` when all do. Input validation errors
    /// are tool errors, so that the model can mend them (SEP-1303).
    fn complaint(&self, arguments: &Value) -> Option<String> {
        const MOST: usize = 5;
        if self.validator.is_valid(arguments) {
            return None;
        }
        let reasons: Vec<String> = self
            .validator
            .iter_errors(arguments)
            .take(MOST)
            .map(|error| {
                let field = error.instance_path().to_string();
                let field = if field.is_empty() {
                    "arguments".to_owned()
                } else {
                    format!("arguments{field}")
                };
                let reason: String = error.to_string().chars().take(200).collect();
                format!("{field}: {reason}")
            })
            .collect();
        (!reasons.is_empty())
            .then(|| format!("The arguments do not fit the tool's schema. {}", reasons.join("; ")))
    }
}

/// `CallToolResult` with one text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a> {
    content: [Text<'a>; 1],
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a Value>,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

impl ToolRun {
    fn finished(output: ToolOutput) -> Self {
        let outcome = if output.is_error { Outcome::ToolError } else { Outcome::Ok };
        let result = CallResult {
            content: [Text { kind: "text", text: &output.text }],
            is_error: output.is_error,
            structured_content: output.structured.as_ref(),
        };
        Self { payload: Ok(raw_value(&result)), outcome }
    }
}

fn register(
    tool: Arc<dyn Tool>,
    timeout: Duration,
    telemetry: &Telemetry,
) -> Result<Registered, RegistryError> {
    let name = tool.name();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) || name.contains("__") {
        return Err(RegistryError::Name(name.to_owned()));
    }
    let schema = tool.input_schema();
    let wrong = |reason: String| RegistryError::Schema { tool: name.to_owned(), reason };
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(wrong("its `type` must be `object`".to_owned()));
    }
    let validator = jsonschema::validator_for(&schema).map_err(|error| wrong(error.to_string()))?;
    let mut definition = RawObject::default();
    definition.set_value("name", &name);
    definition.set_value("description", &tool.description());
    definition.set_value("inputSchema", &schema);
    if let Some(annotations) = tool.annotations() {
        definition.set_value("annotations", &annotations);
    }
    let definition = Arc::from(definition.to_raw());
    let label = telemetry.register_tool(&UpstreamLabel::builtin(), name);
    let timeout = tool.timeout().unwrap_or(timeout);
    Ok(Registered { tool, validator, definition, label, timeout })
}
