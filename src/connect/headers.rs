//! The headers that `connect` sends, and where each comes from: flags win over variables, and those
//! over a file. All of them are secrets: they are shown by name alone.

use crate::{config::check_token, failure::Failure};
use mcp_client::Secret;
use std::collections::BTreeMap;

const AUTHORIZATION: &str = "authorization";

/// Headers by their name in small letters.
pub(super) type Headers = BTreeMap<String, Secret>;

/// The headers of one source, of which the token is one.
///
/// # Errors
/// When one is no `NAME=VALUE`, or said twice; shows no value.
pub(super) fn of<'a>(
    token: Option<Secret>,
    texts: impl Iterator<Item = &'a str>,
) -> Result<Headers, Failure> {
    let mut headers = Headers::new();
    if let Some(token) = token {
        check_token(&token)?;
        let bearer = Secret::from(format!("Bearer {}", token.expose()));
        headers.insert(AUTHORIZATION.to_owned(), bearer);
    }
    for text in texts {
        let (name, value) = one(text)?;
        if headers.insert(name.clone(), value).is_some() {
            let beside = if name == AUTHORIZATION { ", or beside a token" } else { "" };
            return Err(Failure::usage(format!("the header `{name}` is given twice{beside}")));
        }
    }
    Ok(headers)
}

/// What a file says, changed by what variables say, and that by what flags say.
pub(super) fn merged(file: &Headers, variables: Headers, flags: Headers) -> Headers {
    let file = file.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    file.chain(variables).chain(flags).collect()
}

fn one(text: &str) -> Result<(String, Secret), Failure> {
    // A text without a name may be all secret.
    let wrong = || Failure::usage("a header is given as NAME=VALUE, for example X-Team=blue");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let name = name.trim().to_ascii_lowercase();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then(|| (name, Secret::from(value.trim()))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(token: Option<&str>, texts: &[&str]) -> Result<Headers, String> {
        let headers = of(token.map(Secret::from), texts.iter().copied());
        headers.map_err(|failure| failure.text())
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_that_over_the_file() {
        let file = BTreeMap::from(["A", "B", "C"].map(|name| (name.to_owned(), "file".into())));
        let variables = texts(Some("hunter2"), &["b=variable", "c=variable"]).expect("valid");
        let flags = texts(None, &["C = flag", "Authorization=Basic x=="]).expect("valid");
        let all = merged(&file, variables, flags);
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let expected =
            [("a", "file"), ("authorization", "Basic x=="), ("b", "variable"), ("c", "flag")];
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_no_header_is_refused_without_its_value() {
        for (token, given, word) in [
            (None, &["hunter2"][..], "NAME=VALUE"),
            (None, &["=hunter2"], "NAME=VALUE"),
            (None, &["Bearer hunter2=="], "NAME=VALUE"),
            (None, &["A=hunter2", "a=hunter2"], "`a` is given twice"),
            (Some("hunter2"), &["Authorization=hunter2"], "beside a token"),
            (Some("hunter 2"), &[], "token"),
        ] {
            let refused = texts(token, given).expect_err(word);
            assert!(refused.contains(word) && !refused.contains("hunter"), "{refused}");
        }
    }
}
