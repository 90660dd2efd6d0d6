//! README.md and the pages of `docs`, as text and as the code blocks in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page, by its path in the repository.
pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One of them, or any other file of the repository.
pub fn page(path: &str) -> Page {
    let text = fs::read_to_string(root().join(path));
    Page { path: path.into(), text: text.unwrap_or_else(|error| panic!("{path}: {error}")) }
}

/// The README and all pages of `docs`.
pub fn all() -> Vec<Page> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    let docs = names.iter().map(|name| page(&format!("docs/{name}")));
    std::iter::once(page("README.md")).chain(docs).collect()
}

impl Page {
    /// All code blocks of that language, without what stands before every line of a block.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut inside = None;
        for line in self.text.lines() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut inside, fence) {
                (None, Some(of)) => inside = Some((of == language, String::new())),
                (Some((true, block)), Some(_)) => {
                    found.push(std::mem::take(block));
                    inside = None;
                }
                (Some(_), Some(_)) => inside = None,
                (Some((_, block)), None) => {
                    block.push_str(line.trim_start());
                    block.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(inside.is_none(), "{}: a code block has no end", self.path.display());
        found
    }

    /// The lines of all code blocks of that language, without what is said about them.
    pub fn lines(&self, language: &str) -> Vec<String> {
        let blocks = self.blocks(language).concat();
        let said = |line: &str| line.split("  # ").next().unwrap_or_default().trim_end().to_owned();
        blocks.lines().map(said).collect()
    }
}
