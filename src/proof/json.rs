//! The strict JSON profile of payloads, on which any two parsers in the world agree.
//!
//! Printable ASCII and JSON white space only; no backslash inside a string, so no escapes; no `null`, fractions,
//! exponents or `-0`; integers within ±(2^53 - 1); no key twice in one object; bounded depth, lists and size.
//! Bytes are never re-serialised: they are parsed once, kept and signed as they are.

use crate::domain::fields::Value;
use crate::limits::{INTEGER_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, PAYLOAD_LIST_MAX};

/// The first place at which bytes leave the profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {problem}")]
pub struct Deviation {
    /// Bytes before it.
    pub offset: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

/// Parses one value that fills the whole input, within the bounds of a payload.
pub fn parse(bytes: &[u8]) -> Result<Value, Deviation> {
    if bytes.len() > PAYLOAD_BYTES_MAX {
        return Err(Deviation { offset: PAYLOAD_BYTES_MAX, problem: "longer than 16384 bytes" });
    }
    parse_with(bytes, PAYLOAD_LIST_MAX)
}

/// Parses what the service itself has written: the same profile, but a record may be longer than any payload.
pub fn parse_own(bytes: &[u8]) -> Result<Value, Deviation> {
    parse_with(bytes, usize::MAX)
}

fn parse_with(bytes: &[u8], list_max: usize) -> Result<Value, Deviation> {
    let mut parser = Parser { bytes, at: 0, list_max };
    parser.skip_white_space();
    let value = parser.value(1)?;
    parser.skip_white_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.deviation("expected the end after the value")),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    list_max: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn deviation(&self, problem: &'static str) -> Deviation {
        let problem = match self.peek() {
            None => "ends too early",
            Some(0xef) if self.at == 0 => "a byte order mark does not belong here",
            Some(0x80..) => "only ASCII may stand here; names and notes belong in openings",
            Some(_) => problem,
        };
        Deviation { offset: self.at, problem }
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), Deviation> {
        if self.peek() != Some(byte) {
            return Err(self.deviation(problem));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, Deviation> {
        match self.peek() {
            Some(b'{' | b'[') if depth > PAYLOAD_DEPTH_MAX => Err(self.deviation("nested deeper than 8")),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => Err(self.deviation("null is not allowed; leave the field out")),
            _ => Err(self.deviation("expected a value")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Deviation> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.deviation("expected true or false"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, Deviation> {
        let mut members: Vec<(String, Value)> = Vec::new();
        self.at += 1;
        self.skip_white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_white_space();
            members.push(self.member(depth, &members)?);
            self.skip_white_space();
            match self.peek() {
                Some(b',') if members.len() == self.list_max => {
                    return Err(self.deviation("more than 256 members"));
                }
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => return Err(self.deviation("expected , or }")),
            }
        }
    }

    fn member(&mut self, depth: usize, before: &[(String, Value)]) -> Result<(String, Value), Deviation> {
        let key_at = self.at;
        let key = self.text()?;
        if before.iter().any(|(known, _)| *known == key) {
            return Err(Deviation { offset: key_at, problem: "this key stands twice in one object" });
        }
        self.skip_white_space();
        self.expect(b':', "expected :")?;
        self.skip_white_space();
        Ok((key, self.value(depth + 1)?))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Deviation> {
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(elements));
        }
        loop {
            self.skip_white_space();
            elements.push(self.value(depth + 1)?);
            self.skip_white_space();
            match self.peek() {
                Some(b',') if elements.len() == self.list_max => {
                    return Err(self.deviation("more than 256 elements"));
                }
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(elements));
                }
                _ => return Err(self.deviation("expected , or ]")),
            }
        }
    }

    fn text(&mut self) -> Result<String, Deviation> {
        self.expect(b'"', "expected a string in double quotes")?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => return Err(self.deviation("a backslash is not allowed, so there are no escapes")),
                Some(b' '..=b'~') => self.at += 1,
                _ => return Err(self.deviation("a control character is not allowed in a string")),
            }
        }
        let text = self.bytes[start..self.at].iter().copied().map(char::from).collect();
        self.at += 1;
        Ok(text)
    }

    fn integer(&mut self) -> Result<Value, Deviation> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let first_digit = self.at;
        let mut magnitude: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            magnitude = magnitude * 10 + i64::from(digit - b'0');
            if magnitude > INTEGER_MAX {
                return Err(Deviation { offset: start, problem: "beyond 2^53 - 1" });
            }
            self.at += 1;
        }
        match self.at - first_digit {
            0 => return Err(self.deviation("expected a digit")),
            1 => {}
            _ if self.bytes[first_digit] == b'0' => {
                return Err(Deviation { offset: first_digit, problem: "a leading zero is not allowed" });
            }
            _ => {}
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.deviation("only whole numbers; grams, never kilograms with decimals"));
        }
        if negative && magnitude == 0 {
            return Err(Deviation { offset: start, problem: "-0 is not allowed" });
        }
        Ok(Value::Integer(if negative { -magnitude } else { magnitude }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested(depth: usize) -> String {
        format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn the_profile_as_a_table() {
        let list_of = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        let accepted = [
            "1".into(),
            " {\"a\" : [ true , false ] }\r\n".into(),
            "9007199254740991".into(),
            "-9007199254740991".into(),
            "\" ~\"".into(),
            "{}".into(),
            "[]".into(),
            "0".into(),
            nested(8),
            list_of(256),
        ];
        for text in accepted {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
        let refused: [(String, usize); 30] = [
            (String::new(), 0),
            ("null".into(), 0),
            ("[null]".into(), 1),
            ("1.0".into(), 1),
            ("1e3".into(), 1),
            ("-0".into(), 0),
            ("01".into(), 0),
            ("-".into(), 1),
            ("9007199254740992".into(), 0),
            ("-9007199254740992".into(), 0),
            ("99999999999999999999999".into(), 0),
            ("\"a\\u0062\"".into(), 2),
            ("\"é\"".into(), 1),
            ("\u{feff}1".into(), 0),
            ("\"\t\"".into(), 1),
            ("\"\u{7f}\"".into(), 1),
            ("{\"a\":1,\"a\":2}".into(), 7),
            ("[{\"a\":{\"b\":1,\"b\":1}}]".into(), 13),
            (nested(9), 8),
            (list_of(257), 512),
            ("{\"a\":1,}".into(), 7),
            ("[1,]".into(), 3),
            ("[1".into(), 2),
            ("1 1".into(), 2),
            ("{1:1}".into(), 1),
            ("'a'".into(), 0),
            ("tru".into(), 0),
            ("{\"a\" 1}".into(), 5),
            ("\"a".into(), 2),
            ("NaN".into(), 0),
        ];
        for (text, offset) in refused {
            assert_eq!(parse(text.as_bytes()).map_err(|e| e.offset), Err(offset), "{text}");
        }
    }

    #[test]
    fn the_size_is_bounded() {
        let exactly = format!("\"{}\"", "a".repeat(PAYLOAD_BYTES_MAX - 2));
        assert!(parse(exactly.as_bytes()).is_ok());
        assert!(parse(format!("{exactly} ").as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_accepted_is_what_serde_reads(text in "[\\[\\]{}:, \"a0-9.eE+n-]{0,24}") {
            if let Ok(value) = parse(text.as_bytes()) {
                let theirs: serde_json::Value = serde_json::from_str(&text).expect("a subset of JSON");
                prop_assert_eq!(theirs, serde_json::from_str::<serde_json::Value>(&value.to_string()).expect("JSON"));
            }
        }
    }
}
