//! A server made with `rmcp`, the Rust SDK: the tools of the oracle, over Streamable HTTP with sessions.
//!
//! Usage: `rmcp-target PORT FILE-THAT-COUNTS`

use rmcp::{
    ServerHandler,
    handler::server::wrapper::Parameters,
    model::{Implementation, ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// What `oracle_run` is told.
#[derive(Deserialize, JsonSchema)]
struct Run {
    key: String,
    #[serde(default)]
    ms: u64,
}

/// What `oracle_count` is told.
#[derive(Deserialize, JsonSchema)]
struct Count {
    prefix: String,
}

/// Counts in a file.
#[derive(Clone)]
struct Oracle {
    file: PathBuf,
}

#[tool_router]
impl Oracle {
    /// Counts that it ran.
    #[tool]
    async fn oracle_run(
        &self,
        Parameters(Run { key, ms }): Parameters<Run>,
    ) -> Result<String, String> {
        let noted = OpenOptions::new().create(true).append(true).open(&self.file);
        let noted = noted.and_then(|mut file| file.write_all(format!("{key}\n").as_bytes()));
        noted.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(key)
    }

    /// Answers how often each key that begins so ran.
    #[tool(annotations(read_only_hint = true))]
    async fn oracle_count(
        &self,
        Parameters(Count { prefix }): Parameters<Count>,
    ) -> Result<String, String> {
        let lines = match fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| error.to_string())?,
        };
        let mut ran: BTreeMap<&str, u64> = BTreeMap::new();
        for key in lines.lines().filter(|key| key.starts_with(&prefix)) {
            *ran.entry(key).or_default() += 1;
        }
        serde_json::to_string(&ran).map_err(|error| error.to_string())
    }
}

#[tool_handler]
impl ServerHandler for Oracle {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("rmcp", "3.9.0"))
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: rmcp-target PORT FILE-THAT-COUNTS"));
    };
    let oracle = Oracle { file: file.into() };
    let service = StreamableHttpService::new(
        move || Ok(oracle.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await
}
