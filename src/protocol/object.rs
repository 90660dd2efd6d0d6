//! JSON objects taken apart one level deep, every value left as the text it was.

use crate::RawValue;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use std::{borrow::Cow, fmt};

/// A JSON object whose keys are read and whose values are not. Order and the spelling of
/// values are kept; of a key that stands twice, readers see the last, as `JSON.parse` does.
#[derive(Debug, Clone, Default)]
pub struct RawObject<'a> {
    entries: Vec<(Cow<'a, str>, Cow<'a, RawValue>)>,
}

impl<'a> RawObject<'a> {
    /// Takes an object apart; `None` if the text is no object.
    #[must_use]
    pub fn parse(value: &'a RawValue) -> Option<Self> {
        Self::parse_str(value.get())
    }

    /// Takes the text of an object apart; `None` if it is no object.
    #[must_use]
    pub fn parse_str(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The object of optional params: absent params are an empty object.
    #[must_use]
    pub fn of_params(params: Option<&'a RawValue>) -> Option<Self> {
        params.map_or_else(|| Some(Self::default()), Self::parse)
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// The text under a key, if it is a string.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<String> {
        self.get(key).and_then(text).map(Cow::into_owned)
    }

    /// Takes the value under a key out of the object.
    pub fn take(&mut self, key: &str) -> Option<Cow<'a, RawValue>> {
        let at = self.entries.iter().rposition(|(name, _)| name == key)?;
        Some(self.entries.swap_remove(at).1)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether the object has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.entries.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Puts a value under a key, in the place where the key stood, else last.
    pub fn set(&mut self, key: &'a str, value: Box<RawValue>) {
        let mut places =
            self.entries.iter().enumerate().filter(|(_, (name, _))| name == key).map(|(at, _)| at);
        match places.next() {
            Some(first) => {
                self.entries[first].1 = Cow::Owned(value);
                let mut seen = false;
                self.entries.retain(|(name, _)| name != key || !std::mem::replace(&mut seen, true));
            }
            None => self.entries.push((Cow::Borrowed(key), Cow::Owned(value))),
        }
    }

    /// Puts any serializable value under a key.
    pub fn set_value(&mut self, key: &'a str, value: &impl Serialize) {
        self.set(key, raw_value(value));
    }

    /// Takes every entry of a key out; whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(name, _)| name != key);
        before != self.entries.len()
    }

    /// Keeps only the entries the predicate likes.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries.retain(|(name, _)| keep(name));
    }

    /// The text again.
    #[must_use]
    pub fn to_raw(&self) -> Box<RawValue> {
        raw_value(self)
    }
}

impl Serialize for RawObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (key, value) in &self.entries {
            map.serialize_entry(key, value.as_ref())?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(Cow<'de, str>, Cow<'de, RawValue>)>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    entries.push((key, Cow::Borrowed(map.next_value::<&RawValue>()?)));
                }
                Ok(entries)
            }
        }
        Ok(Self { entries: deserializer.deserialize_map(Entries)? })
    }
}

/// A key, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a JSON string, borrowed where it holds no escape; `None` if it is no string.
#[must_use]
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match json.strip_prefix('"')?.strip_suffix('"') {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// JSON text as a raw value; `None` if it is no JSON.
#[must_use]
pub fn raw(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

/// Any serializable value as JSON text. What cannot be serialized becomes `null`; no type
/// of this workspace can fail to.
#[must_use]
pub fn raw_value(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A string as JSON text.
#[must_use]
pub fn raw_string(text: &str) -> Box<RawValue> {
    raw_value(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_passes_unchanged() {
        let text = r#"{"b":1.0,"a":{"x" : [1e2]},"c":"\u00e9"}"#;
        let mut object = RawObject::parse_str(text).expect("an object");
        assert_eq!(object.to_raw().get(), text);
        object.set("a", raw_string("new"));
        object.set_value("d", &7);
        assert_eq!(object.to_raw().get(), r#"{"b":1.0,"a":"new","c":"\u00e9","d":7}"#);
        assert!(object.remove("b"));
        assert_eq!(object.get_str("c").as_deref(), Some("é"));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_counts_and_setting_leaves_one() {
        let mut object = RawObject::parse_str(r#"{"a":1,"b":2,"a":3}"#).expect("an object");
        assert_eq!(object.get("a").map(RawValue::get), Some("3"));
        object.set_value("a", &4);
        assert_eq!(object.to_raw().get(), r#"{"a":4,"b":2}"#);
    }

    #[test]
    fn only_objects_are_objects() {
        for text in ["[]", "1", "null", "\"{}\""] {
            assert!(RawObject::parse_str(text).is_none(), "{text}");
        }
    }
}
