//! A donation's report as JSON: of others it names ids, countries, codes, days and grams, nothing else.

use crate::domain::device_life::{Repair, Tested, Use, Wiped};
use crate::domain::ids::EntryIndex;
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use crate::domain::time::Date;
use crate::domain::whereabouts::{Place, own_grams};
use crate::ledger::donation_contents::Training;
use crate::ledger::donation_devices::{GivenDevice, ReachedTreatment};
use crate::ledger::donation_report::DonationReport;
use crate::ledger::donation_totals::{Tally, Totals, Treated, TreatedAs};
use crate::ledger::downstream::Reached;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a donation's report.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DonationBody {
    /// The donation.
    donation: String,
    /// Who gave.
    donor: String,
    /// For which project.
    project: String,
    /// The country of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_country: Option<String>,
    /// What the ledger held when this was read.
    as_of: AsOfBody,
    /// Sums over the whole donation, however many pages it has; on the first page alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<TotalsBody>,
    /// The devices and parts of this page, in the order in which they were given.
    devices: Vec<DeviceBody>,
    /// What the lots and batches became into which devices of this page went.
    onward: Vec<OnwardBody>,
    /// The final treatments that devices of this page reached, themselves or with their lots.
    treatments: Vec<ReachedTreatmentBody>,
    /// Pass it as `from` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Until where the ledger was read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsOfBody {
    /// Entries in the ledger.
    size: u64,
    /// When the last of them was written down.
    time: String,
}

/// Sums over a donation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotalsBody {
    /// What the devices weighed on the ledger when they were given.
    brought_g: i64,
    /// Signed: what later weighings, differences between scales, dust, and parts exchanged with other devices added or took.
    /// `brought_g` and this are the grams of all places. Absent where `complete` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_g: Option<i64>,
    /// How much is where.
    whereabouts: Vec<PlaceBody>,
    /// How much was treated where, how and as what; its grams are those of the whereabouts `treated`.
    treated: Vec<TreatedBody>,
    /// How many trainings were held with it.
    trainings_held: usize,
    /// How many people they had; who was in two counts twice.
    people_trained: i64,
    /// The first 200 trainings.
    trainings: Vec<TrainingBody>,
    /// Whether all of the donation was read; it is followed to a bound.
    complete: bool,
}

/// How much of a donation is at a place.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlaceBody {
    /// `held`, `offered`, `in_use` as a product; `retired`, as waste on its own; `in_lot`, in a lot that waits; `in_batch`;
    /// `treated`; `released`; `lost`; `installed` in another device; `dispersed`, nowhere any more.
    whereabouts: &'static str,
    /// In which country; absent where that is not known, and for devices whose lots are in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// Devices there. A device that was merged or dismantled counts where the last of what its lot became is.
    devices: u64,
    /// Parts that were taken out of devices, likewise.
    parts: u64,
    /// Grams there, to the gram: a lot of many donors has its share of each.
    grams_g: i64,
}

/// How much of a donation was treated in one way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TreatedBody {
    /// The country of treatment.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// The final operation, R (recovery) or D (disposal).
    operation: String,
    /// The fraction; of what was never dismantled, the product class.
    class: String,
    /// In how many treatments.
    treatments: u64,
    /// Grams of this donation.
    grams_g: i64,
}

/// A training with what was given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrainingBody {
    /// The entry that says so.
    entry: u64,
    /// Who held it.
    organisation: String,
    /// In what.
    topic: &'static str,
    /// First day.
    from: String,
    /// Last day.
    until: String,
    /// How many people.
    people: i64,
}

/// A device or part of a donation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceBody {
    /// Its id.
    item: String,
    /// `device` or `component`.
    kind: &'static str,
    /// The device from which it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<String>,
    /// The device into which it was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_in: Option<String>,
    /// Its product class.
    class: String,
    /// Its own mass; what was lost or released, with what it had then. Absent once its mass is a lot's, or has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    grams_g: Option<i64>,
    /// Where the last of it is, as in the totals.
    whereabouts: &'static str,
    /// In which country that is; absent where that is not known, or where it is in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// The site where it is, or was last by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// Who has it, or had it last.
    holder: String,
    /// Where it stands in its life.
    status: &'static str,
    /// What is known of its state.
    condition: &'static str,
    /// How its data was put out of reach, verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    wiped: Option<WipedBody>,
    /// The test that stands; a device that was opened must be tested again.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<TestedBody>,
    /// The last repair; one behind the test is why it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<RepairedBody>,
    /// Where it was used and how long.
    uses: Vec<UseBody>,
    /// Where and when it became waste.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<DeviceRetiredBody>,
    /// The lot that it joined; `onward` says what that became.
    #[serde(skip_serializing_if = "Option::is_none")]
    lot: Option<String>,
    /// The batch into which it was fed by itself; `onward` says what that became.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    /// The entry of its own final treatment; `treatments` says what that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    treated: Option<u64>,
    /// Whether grams that it or its lots became back a certificate: `eligible`; `in_part`; `open`, not or not yet; `never`.
    eligibility: &'static str,
    /// Whether all that was said of it was looked at; the first 1,000 statements are.
    whole_life: bool,
}

/// How data was put out of reach.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WipedBody {
    /// How far: clear, purge or destroy (NIST SP 800-88).
    method: &'static str,
    /// How.
    technique: &'static str,
    /// The entry that says so.
    entry: u64,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
}

/// What a test found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestedBody {
    /// works, repairable or waste.
    result: &'static str,
    /// The entry that says so.
    entry: u64,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
}

/// That it was repaired.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RepairedBody {
    /// The entry that says so.
    entry: u64,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
}

/// A stretch of use.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UseBody {
    /// The entry with which it began.
    entry: u64,
    /// What for.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    /// The country of use.
    country: String,
    /// The site of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// Who uses it.
    holder: String,
    /// The first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The day on which it ended; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Days of use; while it lasts, those up to `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<i64>,
}

/// Where and when something became waste.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceRetiredBody {
    /// The country.
    country: String,
    /// The month.
    month: String,
}

/// What a lot or batch became, itself included.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OnwardBody {
    /// The lot or batch.
    of: String,
    /// Lots, nearest first.
    lots: Vec<String>,
    /// Batches, nearest first.
    batches: Vec<String>,
    /// Entries of interim treatments.
    interim: Vec<u64>,
    /// Entries of final treatments.
    treatments: Vec<u64>,
    /// Whether that is all; a lineage is followed to a bound.
    complete: bool,
}

/// A final treatment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReachedTreatmentBody {
    /// Its entry.
    entry: u64,
    /// The day.
    day: String,
    /// The site.
    site: String,
    /// The country of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// The final operation.
    operation: String,
    /// What was treated: a fraction, or a product class.
    class: String,
    /// Grams of this donation among it.
    given_g: i64,
    /// Whether the treated grams back a certificate, as at the devices.
    eligibility: &'static str,
}

impl From<DonationReport> for DonationBody {
    fn from(report: DonationReport) -> Self {
        let today = report.time.date();
        let page = report.page;
        Self {
            donation: report.donation.id.to_string(),
            donor: report.donation.donor.to_string(),
            project: report.donation.project.to_string(),
            project_country: text(report.country.as_ref()),
            as_of: AsOfBody { size: report.size, time: report.time.to_string() },
            totals: report.totals.map(TotalsBody::from),
            devices: page.devices.into_iter().map(|device| DeviceBody::of(device, today.as_ref())).collect(),
            onward: page.onward.into_iter().map(OnwardBody::from).collect(),
            treatments: page.treatments.into_iter().map(ReachedTreatmentBody::from).collect(),
            next: report.next.map(|next| next.0),
        }
    }
}

impl From<Totals> for TotalsBody {
    fn from(totals: Totals) -> Self {
        Self {
            brought_g: totals.brought.get(),
            changed_g: totals.changed,
            whereabouts: totals.places.into_iter().map(PlaceBody::from).collect(),
            treated: totals.treated.into_iter().map(TreatedBody::from).collect(),
            trainings_held: totals.trainings_held,
            people_trained: totals.people,
            trainings: totals.trainings.into_iter().map(TrainingBody::from).collect(),
            complete: totals.complete,
        }
    }
}

impl From<(Place, Tally)> for PlaceBody {
    fn from(((whereabouts, country), tally): (Place, Tally)) -> Self {
        let Tally { devices, parts, grams } = tally;
        let country = text(country.as_ref());
        Self { whereabouts: whereabouts.as_str(), country, devices, parts, grams_g: grams }
    }
}

impl From<(TreatedAs, Treated)> for TreatedBody {
    fn from((how, treated): (TreatedAs, Treated)) -> Self {
        Self {
            country: text(how.country.as_ref()),
            operation: how.operation.to_string(),
            class: how.class.to_string(),
            treatments: treated.treatments,
            grams_g: treated.grams,
        }
    }
}

impl From<Training> for TrainingBody {
    fn from(training: Training) -> Self {
        Self {
            entry: training.entry.0,
            organisation: training.organisation.to_string(),
            topic: training.topic.as_str(),
            from: training.from.to_string(),
            until: training.until.to_string(),
            people: training.participants,
        }
    }
}

impl DeviceBody {
    /// A device as of a day.
    fn of(device: GivenDevice, today: Option<&Date>) -> Self {
        let GivenDevice { item, place: (whereabouts, country), life, whole_life, next, outlook } = device;
        Self {
            kind: item.kind.as_str(),
            part_of: text(item.part_of.as_ref()),
            installed_in: text(item.installed_in.as_ref()),
            class: item.class.to_string(),
            grams_g: own_grams(&item).map(Grams::get),
            whereabouts: whereabouts.as_str(),
            country: text(country.as_ref()),
            site: text(item.site.as_ref()),
            holder: item.holder.to_string(),
            status: item.status.as_str(),
            condition: item.condition.as_str(),
            wiped: life.wiped.map(WipedBody::from),
            tested: life.tested.map(TestedBody::from),
            repaired: life.repaired.map(RepairedBody::from),
            uses: life.uses.into_iter().map(|used| UseBody::of(&used, today)).collect(),
            retired: item.arising.map(|arising| DeviceRetiredBody {
                country: arising.country.to_string(),
                month: arising.month.to_string(),
            }),
            lot: text(next.and_then(Node::item).as_ref()),
            batch: text(next.and_then(Node::batch).as_ref()),
            treated: item.treated.map(|entry| entry.0),
            eligibility: outlook.as_str(),
            whole_life,
            item: item.id.to_string(),
        }
    }
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

impl From<Wiped> for WipedBody {
    fn from(wiped: Wiped) -> Self {
        let (method, technique) = (wiped.method.as_str(), wiped.technique.as_str());
        Self { method, technique, entry: wiped.entry.0, day: text(wiped.day.as_ref()) }
    }
}

impl From<Tested> for TestedBody {
    fn from(tested: Tested) -> Self {
        Self { result: tested.result.as_str(), entry: tested.entry.0, day: text(tested.day.as_ref()) }
    }
}

impl From<Repair> for RepairedBody {
    fn from(repair: Repair) -> Self {
        Self { entry: repair.entry.0, day: text(repair.day.as_ref()) }
    }
}

impl UseBody {
    fn of(used: &Use, today: Option<&Date>) -> Self {
        Self {
            entry: used.entry.0,
            project: text(used.project.as_ref()),
            country: used.country.to_string(),
            site: text(used.site.as_ref()),
            holder: used.holder.to_string(),
            from: text(used.from.as_ref()),
            until: text(used.until.as_ref()),
            days: used.days(today),
        }
    }
}

impl From<(Node, Reached)> for OnwardBody {
    fn from((node, reached): (Node, Reached)) -> Self {
        let entries = |entries: Vec<EntryIndex>| entries.into_iter().map(|entry| entry.0).collect();
        Self {
            of: match node {
                Node::Item(lot) => lot.to_string(),
                Node::Batch(batch) => batch.to_string(),
            },
            lots: reached.lots.iter().map(ToString::to_string).collect(),
            batches: reached.batches.iter().map(ToString::to_string).collect(),
            interim: entries(reached.interim),
            treatments: entries(reached.treatments),
            complete: reached.complete,
        }
    }
}

impl From<(EntryIndex, ReachedTreatment)> for ReachedTreatmentBody {
    fn from((entry, treatment): (EntryIndex, ReachedTreatment)) -> Self {
        Self {
            entry: entry.0,
            day: treatment.day.to_string(),
            site: treatment.site.to_string(),
            country: text(treatment.country.as_ref()),
            operation: treatment.operation.to_string(),
            class: treatment.class.to_string(),
            given_g: treatment.given.get(),
            eligibility: treatment.outlook.as_str(),
        }
    }
}
