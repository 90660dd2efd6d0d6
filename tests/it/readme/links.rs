//! Every link to a file of the repository, and to a heading in it, leads there.

use super::pages::{Page, all, page, root};
use std::collections::BTreeSet;

/// All that is linked from and to: beside the pages of `docs`, what describes the code.
fn linking() -> Vec<Page> {
    let others =
        ["ARCHITECTURE.md", "docs/example/report.md", "src/server/transport/ws/WEBSOCKET.md"];
    all().into_iter().chain(others.map(page)).collect()
}

/// The targets of `[text](target)`, without those outside.
fn targets(page: &Page) -> Vec<&str> {
    let after = page.text.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://") && !target.contains(' ')).collect()
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(page: &Page) -> BTreeSet<String> {
    let prose = page.text.split("\n```").step_by(2).flat_map(str::lines);
    let headings = prose.filter(|line| line.starts_with('#'));
    headings.map(|line| slug(line.trim_start_matches('#').trim())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

/// What is wrong with a link, if anything is.
fn wrong(from: &Page, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = from.path.parent().expect("a page is in a folder");
    let path = if path.is_empty() { from.path.clone() } else { folder.join(path) };
    if !root().join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    let is_there = anchor.is_empty() || anchors(&page(&path.to_string_lossy())).contains(anchor);
    (!is_there).then(|| format!("{} has no heading for #{anchor}", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for from in linking() {
        for target in targets(&from) {
            seen += 1;
            if let Some(wrong) = wrong(&from, target) {
                panic!("{}: ({target}): {wrong}", from.path.display());
            }
        }
    }
    assert!(seen > 100, "{seen} links");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let readme = page("README.md");
    for (target, is_right) in [
        ("docs/connect.md", true),
        ("docs/connect.md#agents-that-speak-only-stdio", true),
        ("#run-it", true),
        ("#walk-it", false),
        ("docs/connect.md#run-it", false),
        ("docs/nothing.md", false),
    ] {
        assert_eq!(wrong(&readme, target).is_none(), is_right, "{target}");
    }
    assert_eq!(slug("`[tls]`, and who's there?"), "tls-and-whos-there");
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = page("README.md");
    let linked: BTreeSet<&str> = targets(&readme).into_iter().collect();
    for page in all().iter().skip(1) {
        let path = page.path.to_str().unwrap();
        assert!(linked.contains(path), "the README does not lead to {path}");
    }
}
