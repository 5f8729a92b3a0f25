//! Who calls: the bearer token of a request (RFC 6750).

use crate::domain::event::Statement;
use crate::domain::ids::OrganisationId;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::lookup::Reader;
use crate::ledger::tokens::{self, Caller, Scope};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::Future;
use std::pin::Pin;

/// A caller whose token is in force.
pub(super) struct Authenticated(pub(super) Caller);

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ledger = request.app_data::<web::Data<Ledger>>().cloned();
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        Box::pin(async move {
            let ledger = ledger.ok_or_else(|| Problem::internal("no ledger behind the request"))?;
            let token = token.ok_or_else(|| Problem::unauthorised("send Authorization: Bearer and your token"))?;
            let caller = blocking(move || tokens::authenticate(&ledger.store, &ledger.clock, &token)).await??;
            Ok(Self(caller))
        })
    }
}

/// Anybody: whoever sends a token must send one in force; whoever sends none is nobody in particular.
pub(super) struct Anybody(pub(super) Option<Authenticated>);

impl FromRequest for Anybody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !request.headers().contains_key(AUTHORIZATION) {
            return Box::pin(async { Ok(Self(None)) });
        }
        let caller = Authenticated::from_request(request, payload);
        Box::pin(async move { Ok(Self(Some(caller.await?))) })
    }
}

impl Authenticated {
    /// Refuses a caller without the scope.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.0.may(scope) { Ok(()) } else { Err(Problem::scope_missing(scope)) }
    }

    /// What the caller may look at, if anything.
    pub(super) fn reader(&self) -> Option<Reader> {
        if self.0.may(Scope::Audit) {
            return Some(Reader::All);
        }
        self.0.may(Scope::Read).then_some(Reader::Organisation(self.0.organisation))
    }

    /// The same, refused if it is nothing.
    pub(super) fn require_reader(&self) -> Result<Reader, Problem> {
        self.reader().ok_or_else(|| Problem::scope_missing(Scope::Read))
    }

    /// About whom: an organisation asks about itself; an auditor says about whom.
    pub(super) fn require_whose(&self, named: Option<&str>) -> Result<OrganisationId, Problem> {
        let invalid = |detail: &str| Problem::bad_request("query_invalid", "/organisation", detail);
        let named = named.map(|id| OrganisationId::parse(id).ok_or_else(|| invalid("expected an organisation's id")));
        match (self.require_reader()?, named.transpose()?) {
            (Reader::Organisation(own), None) => Ok(own),
            (Reader::Organisation(own), Some(named)) if own == named => Ok(own),
            (Reader::Organisation(_), Some(_)) => {
                Err(Problem::not_found("this does not concern the token's organisation"))
            }
            (Reader::All, Some(named)) => Ok(named),
            (Reader::All, None) => Err(invalid("say whose; this token reads everybody's")),
        }
    }

    /// Refuses whoever is not an administrator of the operator: what they make speaks for anybody.
    pub(super) fn require_admin(&self, ledger: &Ledger) -> Result<(), Problem> {
        self.require(Scope::Admin)?;
        if self.0.organisation == ledger.operator {
            return Ok(());
        }
        let detail = "only the operator's own tokens administrate";
        Err(Problem::new(StatusCode::FORBIDDEN, "role_missing", "", detail))
    }

    /// Refuses a caller who may post nothing at all.
    pub(super) fn require_posting(&self) -> Result<(), Problem> {
        if self.0.may(Scope::Relay) { Ok(()) } else { self.require(Scope::Post) }
    }

    /// What a person's token posts names that person: else two persons of one organisation would be one.
    pub(super) fn require_actor(&self, statement: &Statement) -> Result<(), Problem> {
        match self.0.person {
            Some(person) if statement.common.actor != Some(person) => {
                let detail = format!("this token is one person's: the statement names the actor {person}");
                Err(Problem::new(StatusCode::FORBIDDEN, "actor_differs", "/actor", detail))
            }
            _ => Ok(()),
        }
    }

    /// Where two persons of one organisation sign, each does so with a token of their own: else whoever has the organisation's
    /// token would be as many persons as they like.
    pub(super) fn require_person(&self, statement: &Statement) -> Result<(), Problem> {
        if self.0.person.is_some() || !statement.rests_on_a_person() {
            return Ok(());
        }
        let detail =
            "who signs as one of two persons posts with a token that is theirs alone (POST /v1/tokens, person)";
        Err(Problem::new(StatusCode::FORBIDDEN, "person_token_needed", "/actor", detail))
    }

    /// A token posts for its own organisation, unless it may relay.
    pub(super) fn require_author(&self, author: OrganisationId) -> Result<(), Problem> {
        if self.0.may(Scope::Relay) || (self.0.may(Scope::Post) && self.0.organisation == author) {
            return Ok(());
        }
        let detail = "this token posts for another organisation; statements of others need the scope relay";
        Err(Problem::new(StatusCode::FORBIDDEN, "token_of_another_organisation", "/org", detail))
    }
}
