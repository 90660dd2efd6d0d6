//! Embeds the orchestrator in a program of your own, with a tool of your own.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use mcp_server::{
    Config, OrchestratorServer, Tool, ToolInput, ToolOutput, async_trait, config::AuthConfig,
};
use serde_json::{Value, json};

struct Dice;

#[async_trait]
impl Tool for Dice {
    fn name(&self) -> &str {
        "dice"
    }
    fn description(&self) -> &str {
        "Rolls a die with the given number of sides."
    }
    fn input_schema(&self) -> Value {
        json!({ "type": "object", "properties": { "sides": { "type": "integer", "minimum": 2 } }, "required": ["sides"] })
    }
    async fn call(&self, input: ToolInput) -> ToolOutput {
        let sides = input.arguments["sides"].as_u64().unwrap_or(6);
        ToolOutput::text(format!("{}", getrandom::u64().unwrap_or_default() % sides + 1))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = AuthConfig { disabled: true, ..AuthConfig::default() };
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), auth, ..Config::default() };
    let mut server = OrchestratorServer::builder().config(config).tool(Dice).build()?;
    let address = server.start().await?;
    println!("listening on http://{address}/mcp; Ctrl-C ends it");
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    println!("handshakes: {:?}", server.handshake_metrics());
    Ok(())
}
