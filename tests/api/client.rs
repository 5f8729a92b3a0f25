//! Requests and answers, and what every refusal must look like.

use serde_json::Value;

/// One request.
pub struct RequestBuilder {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
}

impl RequestBuilder {
    pub fn new(method: &str, url: &str, token: &str) -> Self {
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        Self { method: method.to_owned(), url: url.to_owned(), headers }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn send(self, body: impl AsRef<[u8]>) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(body.as_ref().to_vec()).expect("a request");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        let mut response = agent.run(request).map_err(|error| error.to_string())?;
        let headers = response.headers().clone();
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let bytes = response.body_mut().read_to_vec().map_err(|error| error.to_string())?;
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: header("content-type"),
            link: header("link"),
            erased: header("loopledger-erased"),
            retry_after: header("retry-after"),
            as_of: header("loopledger-as-of"),
            cache_control: header("cache-control"),
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        })
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub link: String,
    /// What an entry's header says of erased values.
    pub erased: String,
    pub retry_after: String,
    /// The entry for which an item's answer stands.
    pub as_of: String,
    pub cache_control: String,
    pub text: String,
    /// The body as it came; `text` is what of it is UTF-8.
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Asserts a refusal: status, code, pointer, and the form that every refusal has.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, pointer: &str) {
        let body = self.json();
        let told =
            (self.status, body["code"].as_str().unwrap_or_default(), body["pointer"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code, pointer), "{}", self.text);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(body["type"], format!("urn:loopledger:problem:{code}"));
        assert!(!body["detail"].as_str().unwrap_or_default().is_empty(), "no words: {}", self.text);
    }

    /// Asserts that a statement is in the ledger now, and gives its index.
    #[track_caller]
    pub fn accepted(&self) -> u64 {
        assert_eq!(self.status, 201, "{}", self.text);
        self.json()["index"].as_u64().expect("an index")
    }

    /// The codes of the warnings in a receipt.
    pub fn warnings(&self) -> Vec<String> {
        let body = self.json();
        let warnings = body["warnings"].as_array().expect("warnings");
        warnings.iter().map(|warning| warning["code"].as_str().expect("a code").to_owned()).collect()
    }
}
