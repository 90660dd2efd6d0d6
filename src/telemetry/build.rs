//! Tells the build apart for `mcp_build_info`: the compiler, and the source revision where the
//! build is given one.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MCP_BUILD_REVISION");
    let revision = env::var("MCP_BUILD_REVISION").unwrap_or_else(|_| "unknown".into());
    println!("cargo::rustc-env=BUILD_REVISION={revision}");
    println!(
        "cargo::rustc-env=BUILD_RUSTC={}",
        rustc_version().unwrap_or_else(|| "unknown".into())
    );
}

fn rustc_version() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(ToOwned::to_owned)
}
