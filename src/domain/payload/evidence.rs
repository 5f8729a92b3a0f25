//! What is said of evidence, and what auditors find.

use crate::domain::codes::{Document, DocumentNumber};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{BatchId, EntryIndex, ItemId, SiteId};

codes! {
    /// What a document is.
    pub enum EvidenceKind {
        /// A weighbridge ticket or other weighing.
        Weighing = "weighing",
        /// An invoice or contract.
        Commercial = "commercial",
        /// A permit, consent or other paper of an authority.
        Authority = "authority",
        /// A movement document, waybill or bill of lading.
        Transport = "transport",
        /// A certificate of treatment, receipt or destruction.
        Treatment = "treatment",
        /// A record of a test, a wipe, a laboratory.
        Test = "test",
        /// A photograph.
        Photograph = "photograph",
        /// Anything else.
        Other = "other",
    }
}

record! {
    /// A file is bound to an entry.
    pub struct EvidenceAttached {
        /// The entry that it is about.
        about: EntryIndex,
        /// The item on whose path it should stand.
        item: Option<ItemId>,
        /// What it is.
        kind: EvidenceKind,
        /// Its number, where it has one.
        number: Option<DocumentNumber>,
        /// The file.
        document: Document,
    }
}

codes! {
    /// What a review of evidence came to.
    pub enum ReviewOutcome {
        /// The papers bear out what was said.
        Accepted = "accepted",
        /// They do not.
        Rejected = "rejected",
    }
}

record! {
    /// Somebody other than the poster looked at the papers behind a documented receipt or treatment.
    pub struct EvidenceReviewed {
        /// The entry that was reviewed.
        entry: EntryIndex,
        /// What came of it.
        outcome: ReviewOutcome,
        /// The review.
        document: Option<Document>,
    }
}

codes! {
    /// How grave a finding is.
    pub enum Severity {
        /// To be noted.
        Note = "note",
        /// To be mended.
        Minor = "minor",
        /// What rests on it is in doubt.
        Major = "major",
    }
}

codes! {
    /// What a finding does.
    pub enum FindingOutcome {
        /// Grams are held from eligibility.
        Held = "held",
        /// What held them is settled: a shortfall explained, a lapse cured, an earlier finding resolved.
        Cleared = "cleared",
        /// It changes nothing.
        Noted = "noted",
    }
}

record! {
    /// An auditor's finding; exactly one subject.
    pub struct AuditFinding {
        /// A live item.
        item: Option<ItemId>,
        /// A batch.
        batch: Option<BatchId>,
        /// A final treatment, by its entry.
        treatment: Option<EntryIndex>,
        /// An entry that brought a flaw, or an earlier finding; it can only be cleared.
        entry: Option<EntryIndex>,
        /// A site; held and cleared are said by `site_suspended` and `site_restored`.
        found_site: Option<SiteId>,
        /// How grave.
        severity: Severity,
        /// What it does.
        outcome: FindingOutcome,
        /// The report.
        document: Document,
    }
}

codes! {
    /// Why a site is suspended.
    pub enum SuspensionReason {
        /// Its permit is in doubt.
        Permit = "permit",
        /// What it says is in doubt.
        Statements = "statements",
        /// It endangers people or nature.
        Safety = "safety",
        /// It asked for it.
        OwnWish = "own_wish",
    }
}

record! {
    /// Nothing of a site backs a new certificate until it is restored.
    pub struct SiteSuspended {
        /// The site.
        suspended_site: SiteId,
        /// Why.
        reason: SuspensionReason,
        /// The decision.
        document: Option<Document>,
    }
}

record! {
    /// A suspension ends.
    pub struct SiteRestored {
        /// The site.
        restored_site: SiteId,
        /// The decision.
        document: Option<Document>,
    }
}
