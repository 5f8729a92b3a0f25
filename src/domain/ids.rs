//! Identifiers: newtypes that cannot be swapped for one another.

use crate::domain::fields::{Field, FieldClass, Malformed, Value, text_field};
use std::fmt;
use uuid::Uuid;

/// Reads a UUID in its one written form: lower case, with hyphens.
fn parse_uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    (uuid.hyphenated().to_string() == text).then_some(uuid)
}

macro_rules! uuid_id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the one written form: lower case, with hyphens.
            pub fn parse(text: &str) -> Option<Self> {
                parse_uuid(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(out)
            }
        }

        impl Field for $name {
            const CLASS: FieldClass = FieldClass::Identifier;

            fn read(value: &Value) -> Result<Self, Malformed> {
                let parsed = match value {
                    Value::Text(text) => Self::parse(text),
                    _ => None,
                };
                parsed.ok_or_else(|| Malformed::here("expected a UUID in lower case with hyphens"))
            }

            fn write(&self) -> Option<Value> {
                Some(Value::Text(self.to_string()))
            }
        }
    };
}

uuid_id!(
    /// A statement, chosen by whoever makes it; with the organisation it is the key of idempotency.
    StatementId
);
uuid_id!(
    /// An organisation. Opaque: names stay outside the ledger.
    OrganisationId
);
uuid_id!(
    /// A person who acted for an organisation. Opaque: only the organisation knows who it is.
    ActorId
);
uuid_id!(
    /// A place where an organisation works.
    SiteId
);
uuid_id!(
    /// A scale at a site.
    ScaleId
);
uuid_id!(
    /// Anything traced: device, component, lot or container.
    ItemId
);

uuid_id!(
    /// A handover from one organisation to another.
    HandoverId
);

uuid_id!(
    /// A stretch of dismantling at one site.
    BatchId
);

uuid_id!(
    /// An organisation, or a facility, which is a site without an organisation.
    PartyId
);

uuid_id!(
    /// What a donor gave for a project.
    DonationId
);

uuid_id!(
    /// A school, a hospital, a training course: what equipment is given for.
    ProjectId
);

uuid_id!(
    /// An order for certificates. Orders stay outside the ledger; a delivery names the one that it serves.
    OrderId
);

uuid_id!(
    /// Authorities' consent to ship waste over borders.
    ConsentId
);

/// A key's RFC 7638 thumbprint (SHA-256), written in base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// Reads 43 characters of base64url with zero trailing bits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

impl Field for KeyId {
    const CLASS: FieldClass = FieldClass::Identifier;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let parsed = match value {
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        parsed.ok_or_else(|| Malformed::here("expected an RFC 7638 thumbprint: 43 characters of base64url"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.to_string()))
    }
}

/// The place of an entry in the ledger, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryIndex(pub u64);

impl fmt::Display for EntryIndex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Field for EntryIndex {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let index = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        index.map(Self).ok_or_else(|| Malformed::here("expected an entry's index: a whole number from 0"))
    }

    fn write(&self) -> Option<Value> {
        i64::try_from(self.0).ok().map(Value::Integer)
    }
}

fn is_origin(text: &str) -> bool {
    let (host_and_port, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let (host, port) = match host_and_port.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host_and_port, None),
    };
    let host_ok = !host.is_empty() && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
    let port_ok = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let step_ok = |step: &str| {
        !step.is_empty() && step.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    };
    host_ok && port_ok && (path.is_empty() || path[1..].split('/').all(step_ok)) && text.len() <= 200
}

text_field!(
    /// The name of a ledger, for ever: `[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*`, at most 200 characters.
    Origin, Identifier, "a ledger's origin such as ledger.example/1a2b3c4d", is_origin
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_pattern() {
        for good in ["a", "ledger.example", "ledger.example:8080/log/2026_1", "x-y/1a2b3c4d"] {
            assert!(Origin::parse(good).is_some(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "A", "a:", "a:x", "a b", "a/é", "a:80:81"] {
            assert!(Origin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_uuid_has_one_written_form() {
        let text = "01936d0e-7a8b-7c1d-9e2f-0123456789ab";
        assert_eq!(ItemId::parse(text).map(|id| id.to_string()).as_deref(), Some(text));
        for bad in ["01936D0E-7A8B-7C1D-9E2F-0123456789AB", "01936d0e7a8b7c1d9e2f0123456789ab", "{}", ""] {
            assert!(ItemId::parse(bad).is_none(), "{bad}");
        }
    }
}
