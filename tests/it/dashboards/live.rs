//! Everything that dashboards and rules ask, asked of a real Prometheus that scrapes a server with
//! clients, while the lab injects faults into it and tells of that.

use super::{
    empty::excuse,
    files::dashboards,
    promql::{compared, filled},
    stage::{has_data, lab_run, load, lose_upstream, prometheus, websocket},
};
use crate::support::{Port, Prometheus, Setup, assert_sums, until};
use serde_json::json;
use std::{cell::Cell, collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Expressions by their place: of dashboards and, taken apart, of alerts and records.
async fn questions(prometheus: &Prometheus) -> BTreeMap<(String, String), bool> {
    let mut all = BTreeMap::new();
    for dashboard in dashboards() {
        for expression in dashboard.expressions() {
            all.insert((expression.place, filled(&expression.text)), false);
        }
    }
    let rules = prometheus.api("rules", &[]).await;
    for rule in rules["data"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        let name = rule["name"].as_str().unwrap();
        for part in compared(rule["query"].as_str().unwrap()) {
            all.insert((name.to_owned(), part), false);
        }
    }
    all
}

/// Asks until all have an answer that are not excused.
async fn ask_all(prometheus: &Prometheus, questions: &mut BTreeMap<(String, String), bool>) {
    let end = Instant::now() + Duration::from_secs(100);
    loop {
        let mut missing = Vec::new();
        for ((place, expression), found) in questions.iter_mut().filter(|(_, found)| !**found) {
            *found = has_data(prometheus, place, expression).await;
            if !*found && excuse(place, expression).is_none() {
                missing.push(format!("{place}: {expression}"));
            }
        }
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "no answer to\n{}", missing.join("\n"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn every_expression_has_an_answer_while_the_lab_injects_faults() {
    let server = Setup::new().fixture("fix", json!({})).set("limits.heartbeat", 0.3).start().await;
    server.upstreams(&["fix"], "connected").await;
    let metrics = Port::reserve();
    let prometheus = prometheus(&server, &metrics).await;
    let mut questions = questions(&prometheus).await;
    assert!(questions.len() > 150, "{}", questions.len());
    let socket = websocket(&server).await;
    let is_done = Cell::new(false);
    let clients = async {
        load(&server).await;
        // What is there at the first scrape is no increase.
        until("the series have two samples", || {
            has_data(
                &prometheus,
                "scrapes",
                "count_over_time(mcp_upstream_restarts_total[30s]) > 1",
            )
        })
        .await;
        lose_upstream(&server).await;
        let mut lab = lab_run(&server, &metrics);
        while !is_done.get() {
            load(&server).await;
            if lab.try_wait().unwrap().is_some() {
                lab = lab_run(&server, &metrics);
            }
        }
    };
    let asking = async {
        ask_all(&prometheus, &mut questions).await;
        is_done.set(true);
    };
    tokio::join!(clients, asking);
    let excused: Vec<_> = questions.iter().filter(|(_, found)| !**found).collect();
    println!("{} questions, {} empty for a reason", questions.len(), excused.len());
    let rules = prometheus.api("rules", &[]).await;
    assert!(!rules.to_string().contains("\"health\":\"err\""), "{rules}");
    drop((prometheus, socket));
    // What the lab sent is not known here.
    assert_sums(&server.scrape().await);
}
