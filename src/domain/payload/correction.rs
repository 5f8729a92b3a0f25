//! What is said when an earlier statement was wrong.

use crate::domain::codes::Document;
use crate::domain::event::{Common, Event, Statement, TypeName};
use crate::domain::fields::{Field, FieldClass, Fields, Malformed, Value, codes, record};
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::time::OccurredAt;

codes! {
    /// Why a statement is corrected.
    pub enum CorrectionReason {
        /// What it says never happened.
        DidNotOccur = "did_not_occur",
        /// It happened otherwise.
        IncorrectData = "incorrect_data",
    }
}

/// What should stand in place of an earlier statement: its type, when and where it happened, and its own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The type; the earlier statement's own.
    pub r#type: TypeName,
    /// When it happened.
    pub occurred_at: OccurredAt,
    /// The site where it happened.
    pub site: Option<SiteId>,
    /// What happened.
    pub event: Box<Event>,
}

impl Field for Instead {
    const CLASS: FieldClass = FieldClass::Statement;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let mut fields = Fields::of(value)?;
        let (r#type, occurred_at, site): (TypeName, _, _) =
            (fields.take("type")?, fields.take("occurred_at")?, fields.take("site")?);
        let is_correction = matches!(r#type.as_str(), "corrected" | "correction_confirmed" | "correction_disputed");
        if is_correction {
            let problem = "a correction is not corrected; correct the first statement again".into();
            return Err(Malformed { pointer: "/type".into(), problem });
        }
        let event = Box::new(Event::take_from(r#type.as_str(), &mut fields)?);
        fields.finish()?;
        Ok(Self { r#type, occurred_at, site, event })
    }

    fn write(&self) -> Option<Value> {
        let mut members = Vec::new();
        let common =
            [("type", self.r#type.write()), ("occurred_at", self.occurred_at.write()), ("site", self.site.write())];
        members.extend(common.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))));
        self.event.put_into(&mut members);
        Some(Value::Object(members))
    }
}

record! {
    /// The author of an earlier statement says that it was wrong, and what is right.
    pub struct Corrected {
        /// The entry that was wrong.
        entry: EntryIndex,
        /// How.
        reason: CorrectionReason,
        /// What should stand in its place; absent if it did not occur.
        instead: Option<Instead>,
        /// What shows it.
        document: Option<Document>,
    }
}

impl Corrected {
    /// What stands in place of an earlier statement with this common part; `None` if nothing happened.
    pub fn in_place_of(&self, earlier: &Common) -> Option<Statement> {
        let instead = self.instead.as_ref()?;
        let common = Common { occurred_at: instead.occurred_at.clone(), site: instead.site, ..earlier.clone() };
        Some(Statement { common, event: (*instead.event).clone() })
    }
}

record! {
    /// Whoever a correction concerns agrees to it; or an auditor decides for it.
    pub struct CorrectionConfirmed {
        /// The entry of the correction.
        correction: EntryIndex,
        /// What it rests on.
        document: Option<Document>,
    }
}

record! {
    /// Whoever a correction concerns contradicts it; its author takes it back; or an auditor decides against it.
    pub struct CorrectionDisputed {
        /// The entry of the correction.
        correction: EntryIndex,
        /// What it rests on.
        document: Option<Document>,
    }
}
