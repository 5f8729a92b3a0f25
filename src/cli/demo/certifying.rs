//! A certificate over what was treated, the sale of a part of it to a made company, and that part's retirement.

use crate::cli::CommandError;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::Story;
use crate::domain::fields::Field;
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId, StatementId};
use crate::domain::serial::SerialBlock;
use crate::proof::commitment::{Opening, commit};
use crate::store::entries;
use serde_json::{Value, json};

/// What came out of it.
pub(super) struct Issued {
    /// The serial numbers of the part that was sold.
    pub(super) serial: SerialBlock,
    /// The entry of its retirement.
    pub(super) retired: EntryIndex,
}

impl Story<'_, '_> {
    /// The issuer issues what the pool gives; the centre sells a part of its block to a made company, which retires it.
    pub(super) fn certify(&mut self) -> Result<Issued, CommandError> {
        let (issuer, buyer) = (self.parties.issuer.clone(), self.parties.buyer.clone());
        let number = self.poster.next_number();
        let (issued_at, retired_at) = (self.plan.moment(950)?, self.plan.moment(970)?);
        let issue = match self.said_before(issuer.id, number)? {
            Some(payload) => payload,
            None => self.draft()?,
        };
        let serial = issue.get("certificate").and_then(Value::as_str).and_then(SerialBlock::parse);
        let serial = serial.ok_or("the issue names no serial numbers")?;
        self.poster.say_as(&issuer, Saying::new("certificate_issued", &issued_at, issue.clone()), number)?;
        self.poster.flush()?;
        self.poster.try_in_vain(&issuer, Saying::new("certificate_issued", &issued_at, issue))?;
        let sold = self.sell(&serial, &self.plan.moment(960)?)?;
        let number = self.poster.next_number();
        let (fields, openings) = self.retirement(&sold)?;
        self.poster.say_as(
            &buyer,
            Saying::new("certificate_retired", &retired_at, fields.clone()).opened(openings.clone()),
            number,
        )?;
        self.poster.flush()?;
        let again = Saying::new("certificate_retired", &retired_at, fields).opened(openings);
        self.poster.try_in_vain(&buyer, again)?;
        let retired = self.index_of(buyer.id, number)?;
        Ok(Issued { serial: sold, retired })
    }

    pub(super) fn draft(&self) -> Result<Value, CommandError> {
        let site = SiteId(self.parties.centre.site.ok_or("the centre has no site")?);
        let draft = self.poster.ledger.draft(site, &self.plan.month()?, None);
        let draft = draft.map_err(|unanswered| format!("there is nothing to issue: {unanswered:?}"))?;
        let fields = draft.write().map(|fields| fields.to_string()).unwrap_or_default();
        Ok(serde_json::from_str(&fields)?)
    }

    pub(super) fn entry_of(
        &self,
        org: OrganisationId,
        number: u64,
    ) -> Result<Option<entries::StoredEntry>, CommandError> {
        let identity = (org, StatementId(self.poster.statement_id(number)));
        let found = self.poster.ledger.store.read(|database| entries::find_by_identity(database, &[identity]))?;
        Ok(found.into_values().next())
    }

    /// The fields of a statement that an interrupted demo has made already: a draft is another one once it was used.
    pub(super) fn said_before(&self, org: OrganisationId, number: u64) -> Result<Option<Value>, CommandError> {
        let Some(stored) = self.entry_of(org, number)? else { return Ok(None) };
        let entry = crate::proof::entry::Entry::parse(&stored.bytes)?;
        let payload = crate::proof::keys::CompactJws::parse(&entry.statement)?.payload;
        Ok(Some(serde_json::from_slice(&payload)?))
    }

    pub(super) fn retirement(&self, serial: &SerialBlock) -> Result<(Value, Vec<Opening>), CommandError> {
        let month = self.plan.month()?;
        let year = month.as_str().get(..4).ok_or("a month without a year")?.to_owned();
        let mut fields = json!({
            "certificate": serial.to_string(), "purpose_kind": "annual_footprint",
            "period": {"from": format!("{year}-01-01"), "until": format!("{year}-12-31")},
        });
        let mut openings = Vec::new();
        let values = [
            ("beneficiary", "Demo Buyer Ltd (a made company)"),
            ("beneficiary_number", "XD 0000.000.000"),
            ("purpose", "DEMO DATA: a year of e-waste, by weight"),
        ];
        for (name, value) in values {
            let pointer = format!("/{name}");
            // A real salt is random; this one must be the same when an interrupted demo goes on.
            let salt = self.plan.salt(name);
            let hash = commit(&pointer, &salt, value).ok_or("a commitment cannot be made")?;
            fields[name] = json!({"c": hash});
            openings.push(Opening { pointer, salt, value: value.to_owned() });
        }
        Ok((fields, openings))
    }
}
