//! Scales: whose they are and until when their verification holds.

use crate::domain::apply::{Context, refuse};
use crate::domain::event::ScaleRegistered;
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, OrganisationId, ScaleId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;

record! {
    /// A period for which a scale was verified.
    pub struct Verification {
        /// First day.
        on: Date,
        /// Last day.
        until: Date,
        /// The entry that reported it.
        entry: EntryIndex,
    }
}

record! {
    /// A scale with its verifications: a weighing that is posted late counts by the one of its own day.
    pub struct Scale {
        /// Its id.
        id: ScaleId,
        /// Whose it is.
        organisation: OrganisationId,
        /// Where it stands.
        site: SiteId,
        /// Its verification scale interval.
        division_g: Grams,
        /// The most it weighs.
        capacity_g: Grams,
        /// Its verifications, oldest first.
        verifications: Vec<Verification>,
        /// The entry that recorded it last.
        registered: EntryIndex,
    }
}

/// A scale joins, or a scale that is known was verified again.
pub fn scale_registered(state: &mut State<'_>, context: &Context<'_>, event: &ScaleRegistered) -> Result<(), Stop> {
    context.require_operator(state)?;
    let Some(organisation) = state.site(&event.at_site)?.and_then(|site| site.organisation) else {
        return refuse(RefusalCode::Unknown, "/at_site", "no site of an organisation has this id");
    };
    let known = state.scale(&event.new_scale)?.cloned();
    if let Some(known) = &known {
        if known.site != event.at_site || known.division_g != event.division_g {
            let detail = "a scale of this id is registered at another site or with another division";
            return refuse(RefusalCode::AlreadyRegistered, "/new_scale", detail);
        }
        if let Some(last) = known.verifications.iter().find(|held| event.verified_on <= held.on) {
            let detail = format!("the verification of {} is recorded already", last.on);
            return refuse(RefusalCode::TimeInvalid, "/verified_on", detail);
        }
    }
    if event.division_g == Grams::ZERO || event.capacity_g < event.division_g {
        let detail = "a scale has a division of at least 1 g and a capacity of at least one division";
        return refuse(RefusalCode::WeightInvalid, "/division_g", detail);
    }
    if event.verified_on > event.verified_until {
        return refuse(RefusalCode::TimeInvalid, "/verified_until", "the verification ends before it begins");
    }
    let mut verifications = known.map(|scale| scale.verifications).unwrap_or_default();
    verifications.push(Verification {
        on: event.verified_on.clone(),
        until: event.verified_until.clone(),
        entry: context.index,
    });
    state.put(Record::Scale(Scale {
        id: event.new_scale,
        organisation,
        site: event.at_site,
        division_g: event.division_g,
        capacity_g: event.capacity_g,
        verifications,
        registered: context.index,
    }));
    Ok(())
}
