//! `docs/chaos.md` says all there is.

use mcp_chaos::{Kind, Plan};
use std::{collections::BTreeSet, fs, path::Path};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chaos.md");
    fs::read_to_string(path).expect("the page")
}

/// The section of each fault, by name.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("\n### `").skip(1);
    parts.map(|part| part.split_once('`').expect("a name")).collect()
}

fn examples(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("an end").0).collect()
}

#[test]
fn every_fault_has_a_section_and_an_example_that_is_right() {
    let page = page();
    let sections = sections(&page);
    let named: BTreeSet<&str> = sections.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, Kind::NAMES.iter().copied().collect::<BTreeSet<_>>());
    for (name, text) in sections {
        let text = text.split("\n## ").next().unwrap();
        let examples = examples(text);
        assert!(!examples.is_empty(), "`{name}` has no example");
        for example in examples {
            let plan = Plan::parse(example).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(plan.faults[0].kind.name(), name);
            let written = serde_json::to_value(&plan.faults[0]).unwrap();
            let own = written.as_object().unwrap().keys().filter(|key| {
                !["name", "kind", "direction", "share", "at", "for", "every", "times"]
                    .contains(&key.as_str())
            });
            for key in own {
                assert!(text.contains(&format!("| `{key}` |")), "`{name}`: `{key}` has no row");
            }
        }
    }
}

#[test]
fn every_other_example_is_right() {
    for example in examples(&page()) {
        if let Err(error) = Plan::parse(example) {
            panic!("{error}\n{example}");
        }
    }
}
