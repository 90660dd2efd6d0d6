//! How deep a JSON text nests. Told without recursion and without reading the text as JSON, so
//! that it can be asked before anything that recurses sees it.

/// Whether arrays and objects stand more than `most` deep in each other.
///
/// A text that is no JSON gets some answer; whoever reads it refuses it anyway.
#[must_use]
pub fn is_deeper_than(text: &[u8], most: usize) -> bool {
    // Each level takes an opening and a closing byte: a short text cannot be deep, and costs
    // nothing here. Counting is fast, too, and settles all but what is deep or very wide.
    if text.len() / 2 <= most {
        return false;
    }
    let opening = text.iter().filter(|byte| opens(**byte)).count();
    opening > most && nests_beyond(text, most)
}

/// `[` and `{` differ in one bit.
const fn opens(byte: u8) -> bool {
    byte | 0x20 == b'{'
}

const fn closes(byte: u8) -> bool {
    byte | 0x20 == b'}'
}

fn nests_beyond(text: &[u8], most: usize) -> bool {
    let (mut depth, mut bytes) = (0_usize, text.iter());
    while let Some(&byte) = bytes.next() {
        if byte == b'"' {
            skip_string(&mut bytes);
        } else if opens(byte) {
            depth += 1;
            if depth > most {
                return true;
            }
        } else if closes(byte) {
            depth = depth.saturating_sub(1);
        }
    }
    false
}

/// Goes on past the closing quote.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            // Whatever is escaped, it does not end the string.
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> [String; 3] {
        [
            format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
            format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth)),
            format!(r#"{}"\"[{{"{}"#, r#"[{"]}":"#.repeat(depth / 2), "}]".repeat(depth / 2)),
        ]
    }

    #[test]
    fn the_bound_is_exact() {
        for most in [2, 64, 128, 1_000] {
            for text in nested(most) {
                assert!(!is_deeper_than(text.as_bytes(), most), "{most}: {text}");
                assert!(is_deeper_than(format!("[{text}]").as_bytes(), most), "{most}: {text}");
            }
        }
    }

    #[test]
    fn width_and_brackets_in_strings_are_no_depth() {
        let wide = format!("[{}[]]", "[],{},".repeat(10_000));
        assert!(!is_deeper_than(wide.as_bytes(), 2));
        let text = format!(r#"["{}","\\","{}"]"#, "[{".repeat(1_000), r#"\"["#.repeat(1_000));
        assert!(!is_deeper_than(text.as_bytes(), 1));
    }

    #[test]
    fn a_text_that_is_cut_off_or_no_json_is_read_to_its_end() {
        assert!(is_deeper_than("[".repeat(1_000_000).as_bytes(), 128));
        assert!(!is_deeper_than("]".repeat(1_000).as_bytes(), 2));
        for text in [&b"\"\\"[..], b"[\"[[[[[[", b"\xff\xfe[[[", b""] {
            assert!(!is_deeper_than(text, 3), "{text:?}");
        }
    }
}
