//! Permits: what a site may do with which waste, and when.

use crate::domain::codes::{TableCode, WasteCode};
use crate::domain::event::Permit;
use crate::domain::refusal::{Warning, WarningCode};
use crate::domain::time::Date;

/// Whether a permit holds on the day, for the code, and for the operation; taking waste in is covered by any operation.
pub fn permit_covers(permit: &Permit, day: &Date, code: &WasteCode, operation: Option<&str>) -> bool {
    let in_time = permit.valid_from <= *day && *day <= permit.valid_until;
    let fits = |allowed: &TableCode| operation.is_none_or(|operation| allowed.as_str() == operation);
    in_time && permit.operations.iter().any(fits) && permit.waste_codes.contains(code)
}

/// A warning unless one of the site's permits covers it.
pub(crate) fn permit_warning(
    permits: &[Permit],
    day: Option<&Date>,
    code: Option<&WasteCode>,
    operation: Option<&str>,
) -> Option<Warning> {
    let covered = day
        .zip(code)
        .is_some_and(|(day, code)| permits.iter().any(|permit| permit_covers(permit, day, code, operation)));
    if covered { None } else { Warning::new(WarningCode::PermitNotValid, "/site") }
}
