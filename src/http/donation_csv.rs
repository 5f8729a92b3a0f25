//! A donation's devices as CSV (RFC 4180): one a line, ids and codes only.

use crate::domain::device_life::{Repair, Use};
use crate::domain::ids::EntryIndex;
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use crate::domain::time::Date;
use crate::domain::whereabouts::own_grams;
use crate::http::problem::Problem;
use crate::http::table::{self, text};
use crate::ledger::donation_devices::{Devices, GivenDevice, ReachedTreatment};
use crate::ledger::donation_report::DonationReport;
use std::collections::BTreeSet;

/// The columns. Their order is kept; new ones come behind the last.
const COLUMNS: &[&str] = &[
    "item",
    "kind",
    "class",
    "grams_g",
    "whereabouts",
    "country",
    "site",
    "holder",
    "status",
    "condition",
    "wiped_method",
    "wiped_entry",
    "wiped_day",
    "tested_result",
    "tested_entry",
    "tested_day",
    "uses",
    "last_use_project",
    "last_use_country",
    "last_use_site",
    "last_use_holder",
    "last_use_from",
    "last_use_until",
    "days_of_use",
    "retired_country",
    "retired_month",
    "lot",
    "batch",
    "batches_reached",
    "treatments_reached",
    "treated_in",
    "treated_operations",
    "reached_all_named",
    "eligibility",
    "as_of_size",
    "repaired_entry",
    "repaired_day",
    "wiped_technique",
    "treated_as",
];

/// Batches and treatments that one line names; a lot of many devices may reach more, which JSON lists.
const NAMED_MAX: usize = 20;

/// The lines of a page, below the names of the columns.
pub(super) fn csv_of(report: &DonationReport) -> Result<Vec<u8>, Problem> {
    let today = report.time.date();
    let line_of = |device: &GivenDevice| {
        let mut line = device_cells(device);
        line.extend(use_cells(&device.life.uses, today.as_ref()));
        let (_, treatments) = treatments_of(device, &report.page);
        line.extend(end_cells(device, &report.page));
        line.push(report.size.to_string());
        line.extend(repair_cells(device.life.repaired.as_ref()));
        line.push(text(device.life.wiped.as_ref().map(|wiped| wiped.technique)));
        line.push(each_once(treatments.iter().map(|treatment| &treatment.class)));
        line
    };
    table::csv_of(COLUMNS, report.page.devices.iter().map(line_of))
}

fn device_cells(device: &GivenDevice) -> Vec<String> {
    let item = &device.item;
    let (wiped, tested) = (device.life.wiped.as_ref(), device.life.tested.as_ref());
    vec![
        item.id.to_string(),
        item.kind.to_string(),
        item.class.to_string(),
        text(own_grams(item).map(Grams::get)),
        device.place.0.to_string(),
        text(device.place.1.as_ref()),
        text(item.site),
        item.holder.to_string(),
        item.status.to_string(),
        item.condition.to_string(),
        text(wiped.map(|wiped| wiped.method)),
        text(wiped.map(|wiped| wiped.entry)),
        text(wiped.and_then(|wiped| wiped.day.as_ref())),
        text(tested.map(|tested| tested.result)),
        text(tested.map(|tested| tested.entry)),
        text(tested.and_then(|tested| tested.day.as_ref())),
    ]
}

fn repair_cells(repaired: Option<&Repair>) -> [String; 2] {
    [text(repaired.map(|repair| repair.entry)), text(repaired.and_then(|repair| repair.day.as_ref()))]
}

fn use_cells(uses: &[Use], today: Option<&Date>) -> Vec<String> {
    let last = uses.last();
    let days: Option<i64> = uses.iter().map(|used| used.days(today)).sum();
    vec![
        uses.len().to_string(),
        text(last.and_then(|used| used.project)),
        text(last.map(|used| &used.country)),
        text(last.and_then(|used| used.site)),
        text(last.map(|used| used.holder)),
        text(last.and_then(|used| used.from.as_ref())),
        text(last.and_then(|used| used.until.as_ref())),
        text(days),
    ]
}

/// Its own final treatment and those that its lots reached.
fn treatments_of<'page>(device: &GivenDevice, page: &'page Devices) -> (Vec<EntryIndex>, Vec<&'page ReachedTreatment>) {
    let onward = device.next.and_then(|next| page.onward.get(&next));
    let of_lots = onward.iter().flat_map(|reached| reached.treatments.iter().copied());
    let entries: Vec<EntryIndex> = device.item.treated.into_iter().chain(of_lots).collect();
    let treatments = entries.iter().filter_map(|entry| page.treatments.get(entry)).collect();
    (entries, treatments)
}

/// What became of it: where and when it was waste, what it joined, what that reached.
fn end_cells(device: &GivenDevice, page: &Devices) -> Vec<String> {
    let item = &device.item;
    let onward = device.next.and_then(|next| page.onward.get(&next));
    let batches: Vec<String> = onward.iter().flat_map(|reached| &reached.batches).map(ToString::to_string).collect();
    let (entries, treatments) = treatments_of(device, page);
    let all_named =
        batches.len() <= NAMED_MAX && entries.len() <= NAMED_MAX && onward.is_none_or(|reached| reached.complete);
    let arising = item.arising.as_ref();
    vec![
        text(arising.map(|arising| &arising.country)),
        text(arising.map(|arising| &arising.month)),
        text(device.next.and_then(Node::item)),
        text(device.next.and_then(Node::batch)),
        listed(batches),
        listed(entries.iter().map(ToString::to_string)),
        each_once(treatments.iter().filter_map(|treatment| treatment.country.as_ref())),
        each_once(treatments.iter().map(|treatment| &treatment.operation)),
        all_named.to_string(),
        device.outlook.to_string(),
    ]
}

fn listed(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(" ")
}

fn each_once(names: impl Iterator<Item = impl ToString>) -> String {
    names.map(|name| name.to_string()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}
