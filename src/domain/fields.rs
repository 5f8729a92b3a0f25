//! What may stand in a payload, and how it is read.
//!
//! A payload is a tree of objects, lists, text, integers and booleans; the bytes behind it are parsed by
//! `proof::json`. Here the tree becomes typed records. One `record!` gives a struct, its reader, its writer and its
//! list of fields with their class, so that the four can never drift apart; `codes!` does the same for code lists.

use std::fmt::{self, Write as _};

/// One JSON value of the strict profile: no null, no float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Members in the order in which they were written; keys are unique.
    Object(Vec<(String, Value)>),
    /// Elements in order.
    List(Vec<Value>),
    /// Printable ASCII without quote or backslash.
    Text(String),
    /// Within ±(2^53 - 1).
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
}

impl Value {
    /// A member of an object by its key, or an element of a list by its position.
    pub fn member(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::List(elements) => {
                // One element has one pointer, so what is erased at it lies under no other: no sign, no leading zero.
                let position = key.parse::<usize>().ok().filter(|position| position.to_string() == key)?;
                elements.get(position)
            }
            _ => None,
        }
    }

    /// Follows a JSON Pointer; keys of the profile hold neither `~` nor `/`, so there is nothing to unescape.
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        pointer.strip_prefix('/')?.split('/').try_fold(self, Self::member)
    }
}

impl fmt::Display for Value {
    /// Compact JSON; text needs no escapes because the profile allows none.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(members) => {
                out.write_char('{')?;
                for (position, (key, value)) in members.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(out, "{comma}\"{key}\":{value}")?;
                }
                out.write_char('}')
            }
            Self::List(elements) => {
                out.write_char('[')?;
                for (position, value) in elements.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(out, "{comma}{value}")?;
                }
                out.write_char(']')
            }
            Self::Text(text) => write!(out, "\"{text}\""),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Bool(flag) => write!(out, "{flag}"),
        }
    }
}

/// A field that cannot be read: where it stands and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// JSON Pointer (RFC 6901) to the field.
    pub pointer: String,
    /// What is wrong and what belongs there, in words.
    pub problem: String,
}

impl Malformed {
    /// A problem with the value itself; whoever reads the surrounding object adds the pointer.
    pub fn here(problem: impl Into<String>) -> Self {
        Self { pointer: String::new(), problem: problem.into() }
    }

    fn under(mut self, step: &str) -> Self {
        self.pointer = format!("/{step}{}", self.pointer);
        self
    }
}

/// What kind of information a field carries. Nothing personal and no free text has a class, so none can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldClass {
    /// An opaque identifier: a UUID or a key's thumbprint.
    Identifier,
    /// A code from a closed list or of a fixed pattern.
    Code,
    /// A date or a time.
    Time,
    /// A whole number: grams, counts, positions.
    Quantity,
    /// Yes or no.
    Flag,
    /// A hash of a document or of a rule set.
    Digest,
    /// A salted commitment to a value that stays outside the ledger and can be erased.
    Commitment,
    /// A public key, or a proof that its secret is held.
    PublicKey,
    /// The number of a business document (permit, ticket, certificate), of a fixed pattern.
    DocumentNumber,
    /// Another statement: its type, when and where it happened, and the fields of that type.
    Statement,
    /// An object with fields of its own.
    Structure(&'static [FieldInfo]),
}

/// A field as the documentation and the tests see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// The key in the JSON object.
    pub name: &'static str,
    /// Whether it may be absent.
    pub required: bool,
    /// What kind of information it carries.
    pub class: FieldClass,
}

/// A type that can stand in a payload.
pub trait Field: Sized {
    /// What kind of information it carries.
    const CLASS: FieldClass;
    /// Whether the field must be present.
    const REQUIRED: bool = true;

    /// Reads the value, or says what belongs there.
    fn read(value: &Value) -> Result<Self, Malformed>;

    /// The value as it is written; `None` leaves the field out.
    fn write(&self) -> Option<Value>;

    /// What an absent field means.
    fn absent() -> Result<Self, Malformed> {
        Err(Malformed::here("required field is missing"))
    }
}

impl<T: Field> Field for Option<T> {
    const CLASS: FieldClass = T::CLASS;
    const REQUIRED: bool = false;

    fn read(value: &Value) -> Result<Self, Malformed> {
        T::read(value).map(Some)
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(Field::write)
    }

    fn absent() -> Result<Self, Malformed> {
        Ok(None)
    }
}

impl<T: Field> Field for Vec<T> {
    const CLASS: FieldClass = T::CLASS;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let Value::List(elements) = value else { return Err(Malformed::here("expected a list")) };
        let read_at = |(position, element)| T::read(element).map_err(|e| e.under(&usize::to_string(&position)));
        elements.iter().enumerate().map(read_at).collect()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::List(self.iter().filter_map(Field::write).collect()))
    }
}

impl Field for bool {
    const CLASS: FieldClass = FieldClass::Flag;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let Value::Bool(flag) = value else { return Err(Malformed::here("expected true or false")) };
        Ok(*flag)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Bool(*self))
    }
}

impl Field for i64 {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let Value::Integer(number) = value else { return Err(Malformed::here("expected a whole number")) };
        Ok(*number)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(*self))
    }
}

/// The members of one object, taken one by one; what is left over is unknown and refused.
pub struct Fields<'a> {
    left: Vec<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// Starts on an object.
    pub fn of(value: &'a Value) -> Result<Self, Malformed> {
        let Value::Object(members) = value else { return Err(Malformed::here("expected an object")) };
        Ok(Self { left: members.iter().map(|(key, value)| (key.as_str(), value)).collect() })
    }

    /// Takes the field of that name.
    pub fn take<T: Field>(&mut self, name: &str) -> Result<T, Malformed> {
        let found = self.left.iter().position(|(key, _)| *key == name);
        let read = match found {
            Some(position) => T::read(self.left.swap_remove(position).1),
            None => T::absent(),
        };
        read.map_err(|e| e.under(name))
    }

    /// Refuses whatever nobody asked for.
    pub fn finish(self) -> Result<(), Malformed> {
        match self.left.first() {
            None => Ok(()),
            Some((key, _)) => Err(Malformed::here("unknown field for this type and version").under(key)),
        }
    }
}

/// An object with a fixed list of fields; made by `record!`.
pub trait Record: Sized {
    /// Its fields, in the order of the declaration.
    const FIELDS: &'static [FieldInfo];

    /// Takes its fields out of an object that may hold more.
    fn take_from(fields: &mut Fields<'_>) -> Result<Self, Malformed>;

    /// Appends its fields to an object.
    fn put_into(&self, members: &mut Vec<(String, Value)>);
}

impl<T: Record> Field for T {
    const CLASS: FieldClass = FieldClass::Structure(T::FIELDS);

    fn read(value: &Value) -> Result<Self, Malformed> {
        let mut fields = Fields::of(value)?;
        let record = T::take_from(&mut fields)?;
        fields.finish()?;
        Ok(record)
    }

    fn write(&self) -> Option<Value> {
        let mut members = Vec::new();
        self.put_into(&mut members);
        Some(Value::Object(members))
    }
}

/// A Rust field's name as it stands in JSON: words that Rust reserves are written `r#use` in the code.
pub const fn plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Declares an object of the payload or of the derived state: struct, reader, writer and field list in one.
macro_rules! record {
    ($(#[$about:meta])* pub struct $name:ident { $( $(#[$field_about:meta])* $field:ident : $type:ty ),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $( $(#[$field_about])* pub $field: $type ),* }

        impl $crate::domain::fields::Record for $name {
            const FIELDS: &'static [$crate::domain::fields::FieldInfo] = &[ $( $crate::domain::fields::FieldInfo {
                name: $crate::domain::fields::plain_name(stringify!($field)),
                required: <$type as $crate::domain::fields::Field>::REQUIRED,
                class: <$type as $crate::domain::fields::Field>::CLASS,
            } ),* ];

            fn take_from(
                fields: &mut $crate::domain::fields::Fields<'_>,
            ) -> Result<Self, $crate::domain::fields::Malformed> {
                Ok(Self { $( $field: fields.take($crate::domain::fields::plain_name(stringify!($field)))? ),* })
            }

            fn put_into(&self, members: &mut Vec<(String, $crate::domain::fields::Value)>) {
                $( if let Some(value) = $crate::domain::fields::Field::write(&self.$field) {
                    members.push(($crate::domain::fields::plain_name(stringify!($field)).to_owned(), value));
                } )*
            }
        }
    };
}
pub(crate) use record;

/// Declares a closed list of codes: enum, its words and its field.
macro_rules! codes {
    ($(#[$about:meta])* pub enum $name:ident { $( $(#[$code_about:meta])* $code:ident = $text:literal ),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$code_about])* $code ),* }

        impl $name {
            /// Every code, in the order of the declaration.
            pub const ALL: &'static [Self] = &[ $( Self::$code ),* ];

            /// The code as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$code => $text ),* }
            }

            /// The code that is written so.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $( $text => Some(Self::$code), )* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl $crate::domain::fields::Field for $name {
            const CLASS: $crate::domain::fields::FieldClass = $crate::domain::fields::FieldClass::Code;

            fn read(
                value: &$crate::domain::fields::Value,
            ) -> Result<Self, $crate::domain::fields::Malformed> {
                let known = match value {
                    $crate::domain::fields::Value::Text(text) => Self::parse(text),
                    _ => None,
                };
                let choices = [$($text),*].join(", ");
                known.ok_or_else(|| $crate::domain::fields::Malformed::here(format!("expected one of: {choices}")))
            }

            fn write(&self) -> Option<$crate::domain::fields::Value> {
                Some($crate::domain::fields::Value::Text(self.as_str().to_owned()))
            }
        }
    };
}
pub(crate) use codes;

/// Declares a field that is text of one pattern.
macro_rules! text_field {
    ($(#[$about:meta])* $name:ident, $class:ident, $expected:literal, $accepts:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Accepts text of the pattern.
            pub fn parse(text: &str) -> Option<Self> {
                let accepts: fn(&str) -> bool = $accepts;
                accepts(text).then(|| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl $crate::domain::fields::Field for $name {
            const CLASS: $crate::domain::fields::FieldClass = $crate::domain::fields::FieldClass::$class;

            fn read(
                value: &$crate::domain::fields::Value,
            ) -> Result<Self, $crate::domain::fields::Malformed> {
                let parsed = match value {
                    $crate::domain::fields::Value::Text(text) => Self::parse(text),
                    _ => None,
                };
                parsed.ok_or_else(|| $crate::domain::fields::Malformed::here(concat!("expected ", $expected)))
            }

            fn write(&self) -> Option<$crate::domain::fields::Value> {
                Some($crate::domain::fields::Value::Text(self.0.clone()))
            }
        }
    };
}
pub(crate) use text_field;
