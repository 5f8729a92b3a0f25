//! Treatment: the end of mass by a final operation, and the audits of the sites where it happens.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, flow_out, relocate};
use crate::domain::codes::{ItemStatus, Role};
use crate::domain::event::{SiteAudited, TreatedFinal};
use crate::domain::item::{Item, Treatment, own_item};
use crate::domain::lot::permit_warning;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::state::{Record, State, Stop};

/// An item ends; its grams are recovered or disposed of, by operation. What the permit does not cover happened all the
/// same: it is recorded with a warning.
pub fn treated_final(state: &mut State<'_>, context: &Context<'_>, event: &TreatedFinal) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Treater, Role::Recycler])?;
    let Some(site) = context.statement.common.site else {
        return refuse(RefusalCode::Unknown, "/site", "a treatment names the site where it happened");
    };
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held])?;
    if item.arising.is_none() {
        return refuse(RefusalCode::WrongCondition, "/item", "only waste is treated; say retired first");
    }
    let code = event.operation.as_str();
    let account = match rules_in_force(state)?.operation(code) {
        None => return refuse(RefusalCode::CodeUnknown, "/operation", "expected D1 to D15 or R1 to R13"),
        Some(operation) if !operation.r#final => {
            let detail = format!("{code} is interim ({}): it ends no mass", operation.name);
            return refuse(RefusalCode::OperationNotFinal, "/operation", detail);
        }
        Some(operation) if operation.kind == "recovery" => Account::Recovered(event.operation.clone()),
        Some(_) => Account::Disposed(event.operation.clone()),
    };
    let permit = state.site(&site)?.and_then(|site| site.permit.clone());
    let day = context.statement.common.occurred_at.date();
    let warning = permit_warning(permit.as_ref(), day.as_ref(), item.waste_code.as_ref(), &[code]);
    relocate(state, item.site, Some(site), item.grams);
    flow_out(state, Some(site), account, item.grams);
    let (entry, operation, grams) = (context.index, event.operation.clone(), item.grams);
    let treated = Some(Treatment { entry, operation, site, grams });
    let ended = Item { treated, site: Some(site), ..item }.ended();
    state.put(Record::Item(ended.touched(context)?));
    Ok(warning.into_iter().collect())
}

/// An independent auditor was on site.
pub fn site_audited(state: &mut State<'_>, context: &Context<'_>, event: &SiteAudited) -> Result<(), Stop> {
    context.require_role(state, &[Role::Auditor])?;
    let Some(site) = state.site(&event.audited_site)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/audited_site", "no site of this id is registered");
    };
    let by_now = context.statement.common.occurred_at.date();
    if by_now.is_some_and(|day| event.on > day) {
        return refuse(RefusalCode::TimeInvalid, "/on", "the audit lies after the day on which it is reported");
    }
    let by = context.statement.common.org;
    let mut audits = site.audits;
    audits.push(SiteAudit { by, on: event.on.clone(), outcome: event.outcome, entry: context.index });
    state.put(Record::Site(Site { audits, ..site }));
    Ok(())
}
