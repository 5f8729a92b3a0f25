//! Errors as `application/problem+json` (RFC 9457): the only place that knows status codes.
//!
//! `code` is stable and for programs, `pointer` names the field to blame, `detail` says what was wrong and what to do.
//! What happened inside stays in the log.

use crate::domain::refusal::{Refusal, RefusalCode};
use crate::ledger::PrepareError;
use crate::ledger::asking::Unanswered;
use crate::ledger::orders::{OrderCode, OrderRefusal};
use crate::ledger::posting::{Refused, Whose};
use crate::ledger::proofs::NoProof;
use crate::ledger::sequencer::Unavailable;
use crate::ledger::tokens::{Scope, TokenProblem};
use crate::ledger::vault::VaultError;
use crate::proof::statement::{BytesCode, BytesRefused};
use crate::store::StoreError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// What was wrong, where, and what to do (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:loopledger:problem:` and the code.
    #[schema(value_type = String)]
    pub r#type: Box<str>,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// A stable code for programs.
    #[schema(example = "not_the_holder")]
    pub code: &'static str,
    /// JSON Pointer to the field to blame, inside the payload unless it begins with `/statement` or `/open`.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(value_type = String)]
    pub pointer: Box<str>,
    /// What was wrong and what to do.
    #[schema(value_type = String)]
    pub detail: Box<str>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}: {}", self.status, self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        // What is refused today may be there tomorrow, such as a tile that no checkpoint reaches yet.
        response.insert_header((CACHE_CONTROL, "no-store"));
        if self.status == 503 {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if self.status == 401 {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.content_type("application/problem+json").json(self)
    }
}

impl actix_web::Responder for Problem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &actix_web::HttpRequest) -> HttpResponse {
        self.error_response()
    }
}

impl Problem {
    /// A problem with its status, code, field and words.
    pub fn new(status: StatusCode, code: &'static str, pointer: &str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:loopledger:problem:{code}").into(),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            pointer: pointer.into(),
            detail: detail.into().into(),
        }
    }

    /// 500; the reason goes to the log alone.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        tracing::error!(%reason, "a request failed inside");
        let detail =
            "something failed inside; the log says more; a statement may be sent again, it is never written twice";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "", detail)
    }

    /// 404 for what is not there, or not for this caller.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "", detail)
    }

    /// 404 for a path that is no endpoint.
    pub fn no_such_page() -> Self {
        Self::not_found("there is no such page or method; /openapi.json lists them")
    }

    /// 404 for a path whose parts cannot be read.
    pub fn bad_path(error: &actix_web::error::PathError) -> Self {
        Self::not_found(format!("the path cannot be read: {error}"))
    }

    /// 400 for a query that cannot be read.
    pub fn bad_query(error: &actix_web::error::QueryPayloadError) -> Self {
        Self::bad_request("query_invalid", "", format!("the query cannot be read: {error}"))
    }

    /// 400.
    pub fn bad_request(code: &'static str, pointer: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, pointer, detail)
    }

    /// 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "", detail)
    }

    /// 403 for a token that lacks a scope.
    pub fn scope_missing(scope: Scope) -> Self {
        let detail = format!("this needs a token with the scope {scope}");
        Self::new(StatusCode::FORBIDDEN, "scope_missing", "", detail)
    }

    /// 401.
    pub fn unauthorised(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token_invalid", "", detail)
    }
}

impl From<BytesRefused> for Problem {
    fn from(refused: BytesRefused) -> Self {
        let status = match refused.code {
            BytesCode::StatementTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BytesCode::JwsMalformed
            | BytesCode::AlgorithmNotAllowed
            | BytesCode::HeaderMalformed
            | BytesCode::PayloadNotStrict => StatusCode::BAD_REQUEST,
            BytesCode::FieldInvalid
            | BytesCode::KeyInvalid
            | BytesCode::KeyWeak
            | BytesCode::KeyProofInvalid
            | BytesCode::SignatureInvalid => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refused.code.as_str(), &refused.pointer, refused.detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            RefusalCode::RoleMissing
            | RefusalCode::KeyOfAnotherOrganisation
            | RefusalCode::KeyRevoked
            | RefusalCode::KeyNotForStatements
            | RefusalCode::SiteOfAnotherOrganisation
            | RefusalCode::ScaleOfAnotherOrganisation
            | RefusalCode::NotTheHolder
            | RefusalCode::WrongReceiver
            | RefusalCode::IssuerIsOperator
            | RefusalCode::DelegationMissing
            | RefusalCode::NotDelegable
            | RefusalCode::RelatedParties
            | RefusalCode::NotTheAuthor
            | RefusalCode::CounterpartyFirst
            | RefusalCode::IssuerRelated
            | RefusalCode::SchemeTestOnly => StatusCode::FORBIDDEN,
            RefusalCode::LedgerAlreadyOpen
            | RefusalCode::LedgerClosed
            | RefusalCode::Packed
            | RefusalCode::NumberTaken
            | RefusalCode::ProofMissing
            | RefusalCode::NothingToAnswer
            | RefusalCode::AlreadyRegistered
            | RefusalCode::ItemEnded
            | RefusalCode::WrongStatus
            | RefusalCode::WrongCondition
            | RefusalCode::WrongKind
            | RefusalCode::BatchClosed
            | RefusalCode::NotSanitised
            | RefusalCode::NotHandedOver
            | RefusalCode::HandoverAnswered
            | RefusalCode::GramsTaken
            | RefusalCode::CorrectionUndecided
            | RefusalCode::CorrectionBlocked
            | RefusalCode::CertificateNotHeld
            | RefusalCode::CertificateExpired
            | RefusalCode::CertificateSplit
            | RefusalCode::CertificatePending
            | RefusalCode::CertificateFrozen
            | RefusalCode::CertificateSold
            | RefusalCode::UnitsFailing
            | RefusalCode::SiteInDeficit
            | RefusalCode::BackingOutOfTurn
            | RefusalCode::UnitsBacked
            | RefusalCode::ErasedBefore => StatusCode::CONFLICT,
            RefusalCode::LedgerNotOpen
            | RefusalCode::WrongLedger
            | RefusalCode::KeyUnknown
            | RefusalCode::Unknown
            | RefusalCode::NoCommitment
            | RefusalCode::ClaimKept
            | RefusalCode::RolesExclude
            | RefusalCode::ListInvalid
            | RefusalCode::MethodNotReached
            | RefusalCode::ClassesDiffer
            | RefusalCode::SourcesDiffer
            | RefusalCode::TooManySources
            | RefusalCode::ConsentExceeded
            | RefusalCode::JurisdictionsDiffer
            | RefusalCode::SumDiffers
            | RefusalCode::OutputsExceedInputs
            | RefusalCode::OperationNotFinal
            | RefusalCode::SumOutOfRange
            | RefusalCode::CodeUnknown
            | RefusalCode::RuleSetUnknown
            | RefusalCode::WeightInvalid
            | RefusalCode::NoClassMean
            | RefusalCode::TimeInvalid
            | RefusalCode::BeforeLastEvent
            | RefusalCode::SchemeNotInForce
            | RefusalCode::NotCorrectable
            | RefusalCode::CorrectionWithoutEffect
            | RefusalCode::CorrectionTooWide
            | RefusalCode::UnitsInvalid
            | RefusalCode::UnitsOverlap
            | RefusalCode::OverCapacity
            | RefusalCode::PersonMissing
            | RefusalCode::BeneficiaryNotNamed
            | RefusalCode::PeriodOutsideVintage => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refusal.code.as_str(), &refusal.pointer, refusal.detail)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match &refused {
            Refused::Bytes(refused) => return (**refused).clone().into(),
            Refused::Rules(refusal) => return (**refusal).clone().into(),
            Refused::Order(refusal) => return (**refusal).clone().into(),
            Refused::Opening(_) | Refused::OpeningMissing(_) | Refused::TooMuchState => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Refused::SecondSignatureNeeded(_) => StatusCode::FORBIDDEN,
            Refused::SameIdOtherContent(_)
            | Refused::SameIdInRequest
            | Refused::SameIdWaiting
            | Refused::WaitingFull(Whose::Own) => StatusCode::CONFLICT,
            // It is none of the poster's doing, and passes.
            Refused::WaitingFull(Whose::All) | Refused::NotWitnessed => StatusCode::SERVICE_UNAVAILABLE,
            Refused::NotPosted => StatusCode::FAILED_DEPENDENCY,
        };
        let told = refused.told();
        Self::new(status, told.code, &told.pointer, told.detail)
    }
}

impl From<OrderRefusal> for Problem {
    fn from(refusal: OrderRefusal) -> Self {
        let status = match refusal.code {
            OrderCode::RoleMissing | OrderCode::NotTheSeller | OrderCode::NotTheBuyer => StatusCode::FORBIDDEN,
            OrderCode::BeneficiaryNotNamed
            | OrderCode::FactorUnknown
            | OrderCode::ClassUnknown
            | OrderCode::AmountInvalid => StatusCode::UNPROCESSABLE_ENTITY,
            OrderCode::IdTaken
            | OrderCode::LedgerClosed
            | OrderCode::TooManyOrders
            | OrderCode::TooMuchUnpaid
            | OrderCode::NotInStock
            | OrderCode::NeverMet
            | OrderCode::OrderPaid
            | OrderCode::OrderClosed
            | OrderCode::PaymentDiffers
            | OrderCode::OrderNotPaid
            | OrderCode::OrderDelivered
            | OrderCode::RefundDiffers
            | OrderCode::RefundNotAsked
            | OrderCode::OrderNotReady
            | OrderCode::UnitsReserved
            | OrderCode::OrderUnknown
            | OrderCode::OrderDiffers => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.code.as_str(), &refusal.pointer, refusal.detail)
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let (code, detail) = match unavailable {
            Unavailable::QueueFull => ("queue_full", "too many statements wait; send it again in a moment".to_owned()),
            Unavailable::Halted(reason) => ("ledger_halted", format!("the ledger is read-only: {reason}")),
            Unavailable::ClockOff(reason) => ("clock_off", reason),
            Unavailable::NotCommitted => ("not_committed", "nothing was written; send it again".to_owned()),
            Unavailable::OutcomeUnknown => {
                let detail = "it may have been written; send the same statement again, it is never written twice";
                ("outcome_unknown", detail.to_owned())
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "", detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database did not answer a request");
        let detail = "the database does not answer; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", "", detail)
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Refused(refusal) => (*refusal).into(),
            Unanswered::NotWitnessed => Refused::NotWitnessed.into(),
            Unanswered::Store(error) => error.into(),
        }
    }
}

impl From<PrepareError> for Problem {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Refused(refused) => refused.into(),
            PrepareError::Store(error) => error.into(),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NoHostedKey => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_hosted_key", "/statement/org", error.to_string())
            }
            VaultError::Broken(reason) => Self::internal(reason),
            VaultError::Store(error) => error.into(),
        }
    }
}

impl From<NoProof> for Problem {
    fn from(error: NoProof) -> Self {
        match error {
            NoProof::NoCheckpoint(_) | NoProof::NotCovered { .. } => Self::not_found(error.to_string()),
            NoProof::WrongOrder => Self::bad_request("query_invalid", "/from", error.to_string()),
            NoProof::Store(error) => error.into(),
        }
    }
}

impl From<TokenProblem> for Problem {
    fn from(problem: TokenProblem) -> Self {
        match problem {
            TokenProblem::Invalid => Self::unauthorised(problem.to_string()),
            TokenProblem::Store(error) => error.into(),
        }
    }
}
