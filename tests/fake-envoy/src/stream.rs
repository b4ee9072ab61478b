//! One HTTP stream on one worker, callback by callback, in any order Envoy could produce.

use std::collections::BTreeMap;

use crate::request::{Request, Upstream, Waiting};
use crate::state::{LocalReply, Pairs, Phase, StreamState};
use crate::vm::Side;
use crate::{Fault, Vm};

/// One HTTP stream. Its methods are Envoy's events; several streams may be open on a worker at once.
///
/// Response events before the request headers are ignored, as Envoy ignores them for this filter.
pub struct Stream<'vm> {
    vm: &'vm Vm,
    context: u32,
    created: bool,
    started: bool,
    request: Request,
    local_reply: Option<LocalReply>,
}

// === impl Stream ===

impl<'vm> Stream<'vm> {
    pub(crate) fn new(vm: &'vm Vm, context: u32) -> Self {
        Self { vm, context, created: false, started: false, request: Request::default(), local_reply: None }
    }

    /// The request's header block.
    ///
    /// # Errors
    ///
    /// A trap or a pause, here and in every other event.
    pub fn request_headers(&mut self, headers: &[(&str, &[u8])], end: bool) -> Result<(), Fault> {
        self.create()?;
        self.started = true;
        self.change(|stream| {
            stream.request_headers = Some(pairs(headers));
            stream.properties.entry("response.flags".to_owned()).or_insert_with(|| vec![0; 8]);
            stream.properties.entry("xds.cluster_name".to_owned()).or_insert_with(|| b"upstream".to_vec());
        });
        self.receive(headers.iter().map(|(name, value)| name.len() + value.len()).sum());
        let is_paused = self.headers(Side::Request, headers.len(), end)?;
        self.request.headers_done(is_paused, self.vm.pause());
        self.reply_locally()
    }

    /// Counts what was received of the request, before any filter sees it.
    fn receive(&mut self, size: usize) {
        self.change(|stream| {
            let total = stream.properties.entry("request.total_size".to_owned()).or_insert_with(|| vec![0; 8]);
            let before = total.as_slice().try_into().map_or(0, u64::from_le_bytes);
            *total = (before + size as u64).to_le_bytes().to_vec();
        });
    }

    /// One piece of the request's body.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn request_body(&mut self, chunk: &[u8], end: bool) -> Result<(), Fault> {
        self.receive(chunk.len());
        self.deliver()?;
        if self.local_reply.is_some() || self.request.waits(|| Waiting::Body(chunk.to_vec(), end)) {
            return Ok(());
        }
        self.pass_body(chunk, end)
    }

    /// The request's trailers, which end it.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn request_trailers(&mut self, trailers: &[(&str, &[u8])]) -> Result<(), Fault> {
        self.deliver()?;
        if self.local_reply.is_some() || self.request.waits(|| Waiting::Trailers(pairs(trailers))) {
            return Ok(());
        }
        self.pass_trailers(&pairs(trailers))
    }

    /// Delivers what waited, if the module resumed the request.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn deliver(&mut self) -> Result<(), Fault> {
        let is_resumed = self.vm.with_stream(self.context, |stream| std::mem::take(&mut stream.is_resumed));
        if is_resumed != Some(true) {
            return Ok(());
        }
        for event in self.request.resume() {
            match event {
                Waiting::Body(chunk, end) => self.pass_body(&chunk, end)?,
                Waiting::Trailers(trailers) => self.pass_trailers(&trailers)?,
            }
        }
        Ok(())
    }

    /// What the upstream got of the request.
    pub fn upstream(&self) -> &Upstream {
        &self.request.upstream
    }

    /// The response that the module sent instead of the upstream's.
    pub fn local_reply(&self) -> Option<&LocalReply> {
        self.local_reply.as_ref()
    }

    /// The response's header block, from the upstream or from Envoy itself.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn response_headers(&mut self, headers: &[(&str, &[u8])], end: bool) -> Result<(), Fault> {
        if !self.started || self.local_reply.is_some() {
            return Ok(());
        }
        self.pass_response_headers(headers, end)
    }

    fn pass_response_headers(&mut self, headers: &[(&str, &[u8])], end: bool) -> Result<(), Fault> {
        self.change(|stream| {
            stream.response_headers = Some(pairs(headers));
            let details = stream.properties.entry("response.code_details".to_owned());
            details.or_insert_with(|| b"via_upstream".to_vec());
        });
        let result = self.headers(Side::Response, headers.len(), end).map(|_| ());
        // Envoy sets the status after the filters have continued the headers.
        let status = headers.iter().find(|(name, _)| *name == ":status");
        if let Some(code) = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse::<u16>().ok()) {
            self.set_property("response.code", &u64::from(code).to_le_bytes());
        }
        result
    }

    /// One piece of the response's body.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn response_body(&mut self, chunk: &[u8], end: bool) -> Result<(), Fault> {
        if self.local_reply.is_some() {
            return Ok(());
        }
        self.body(Side::Response, chunk, end).map(|_| ())
    }

    /// The response's trailers, which end it.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn response_trailers(&mut self, trailers: &[(&str, &[u8])]) -> Result<(), Fault> {
        self.trailers(Side::Response, &pairs(trailers)).map(|_| ())
    }

    /// Sets a property of this stream, such as `response.code_details`.
    pub fn set_property(&mut self, path: &str, value: &[u8]) {
        self.change(|stream| stream.properties.insert(path.to_owned(), value.to_vec()));
    }

    /// Sets `response.flags`.
    pub fn set_flags(&mut self, flags: u64) {
        self.set_property("response.flags", &flags.to_le_bytes());
    }

    /// The access log event, which comes once, before the stream is destroyed.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn log(&mut self) -> Result<(), Fault> {
        self.create()?;
        self.enter(Phase::Log);
        self.vm.on_log(self.context)
    }

    /// Destroys the stream: done, then delete. Returns the filter state it left.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn destroy(self) -> Result<BTreeMap<String, String>, Fault> {
        self.enter(Phase::Done);
        if self.created {
            self.vm.finish_context(self.context)?;
        }
        Ok(self.vm.forget(self.context))
    }

    /// Log, done, delete: the end of every stream in Envoy.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn close(mut self) -> Result<BTreeMap<String, String>, Fault> {
        self.log()?;
        self.destroy()
    }

    fn create(&mut self) -> Result<(), Fault> {
        if self.created {
            return Ok(());
        }
        self.created = true;
        self.vm.create_context(self.context)
    }

    fn pass_body(&mut self, chunk: &[u8], end: bool) -> Result<(), Fault> {
        let readable = self.request.readable(chunk);
        let is_paused = self.body(Side::Request, &readable, end)?;
        self.request.body_done(is_paused, readable);
        self.reply_locally()
    }

    fn pass_trailers(&mut self, trailers: &Pairs) -> Result<(), Fault> {
        let held = self.request.readable(&[]);
        self.change(|stream| stream.chunk = held);
        let is_paused = self.trailers(Side::Request, trailers)?;
        self.change(|stream| stream.chunk = Vec::new());
        self.request.trailers_done(is_paused);
        self.reply_locally()
    }

    /// After the callback: the reply that the module asked for passes the filter as any response.
    fn reply_locally(&mut self) -> Result<(), Fault> {
        if self.local_reply.is_some() {
            return Ok(());
        }
        let Some(reply) = self.vm.with_stream(self.context, |stream| stream.local_reply.clone()).flatten() else {
            return Ok(());
        };
        let status = reply.status.to_string();
        let headers = reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers: Vec<(&str, &[u8])> = [(":status", status.as_bytes())].into_iter().chain(headers).collect();
        self.set_property("response.code_details", b"");
        self.pass_response_headers(&headers, reply.body.is_empty())?;
        if !reply.body.is_empty() {
            self.body(Side::Response, &reply.body, true)?;
        }
        self.local_reply = Some(reply);
        Ok(())
    }

    fn headers(&self, side: Side, count: usize, end: bool) -> Result<bool, Fault> {
        self.enter(Phase::of_headers(side));
        let result = self.vm.on_headers(side, self.context, count, end);
        self.enter(Phase::Create);
        result
    }

    fn body(&self, side: Side, chunk: &[u8], end: bool) -> Result<bool, Fault> {
        if !self.started {
            return Ok(false);
        }
        self.change(|stream| stream.chunk = chunk.to_vec());
        self.enter(Phase::of_body(side));
        let result = self.vm.on_body(side, self.context, chunk.len(), end);
        self.enter(Phase::Create);
        self.change(|stream| stream.chunk = Vec::new());
        result
    }

    fn trailers(&self, side: Side, trailers: &Pairs) -> Result<bool, Fault> {
        if !self.started {
            return Ok(false);
        }
        self.change(|stream| stream.trailers.clone_from(trailers));
        self.enter(Phase::of_trailers(side));
        let result = self.vm.on_trailers(side, self.context, trailers.len());
        self.enter(Phase::Create);
        result
    }

    fn enter(&self, phase: Phase) {
        self.change(|stream| stream.phase = phase);
    }

    fn change<T>(&self, change: impl FnOnce(&mut StreamState) -> T) {
        self.vm.with_stream(self.context, change);
    }
}

fn pairs(headers: &[(&str, &[u8])]) -> Pairs {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect()
}
