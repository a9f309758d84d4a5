//! Asks lanes for something through the destination's desk, and waits until they have done it.
//!
//! The process that owns a lane does the lane's part. The command only looks, about once a second,
//! and a wait always ends: when every lane has answered, at a signal, or when no lane has said
//! anything new for [`PATIENCE`]. The request goes on in all of these cases; it is never taken back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::output::{Output, spinner};
use super::text::{counted, plain};
use crate::app::connect::open_destination;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::app::settings::profile::ProfileSettings;
use crate::app::shutdown::Signals;
use crate::destination::Destination;
use crate::destination::desk::{Desk, LaneRequest, RequestState, WhichRequests};
use crate::model::checkpoint::LaneId;
use crate::model::position::TopicPartition;
use crate::model::profile::ProfileId;

/// Between two looks at the desk.
pub(super) const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// How long lanes may say nothing new before nobody waits for them any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// The destination of a profile.
pub(super) fn destination_of(
    settings: &Settings,
    profile: &ProfileSettings,
) -> Result<Arc<dyn Destination>, Failure> {
    let Some(destination) = settings.destinations.get(&profile.destination) else {
        let what = format!("there is no destination {}", profile.destination);
        return Err(Failure::usage(what, "correct the profile's destination"));
    };
    open_destination(destination)
}

/// One thing that is asked of some lanes of a profile: a request per lane, all with one id.
pub(super) struct Question<'a> {
    id: Uuid,
    profile: &'a ProfileId,
    requests: Vec<LaneRequest>,
}

impl<'a> Question<'a> {
    /// Asks `body` of these lanes.
    pub(super) fn new(
        profile: &'a ProfileId,
        lanes: BTreeSet<TopicPartition>,
        body: &Value,
    ) -> Self {
        let id = Uuid::new_v4();
        let request = |topic_partition| LaneRequest {
            id,
            lane: LaneId { profile: profile.clone(), topic_partition },
            body: body.to_string(),
            state: RequestState::Asked,
            progress: String::new(),
            asked_at_us: 0,
        };
        Self { id, profile, requests: lanes.into_iter().map(request).collect() }
    }

    /// Leaves the requests on the desk.
    pub(super) async fn put(&self, desk: &dyn Desk) -> Result<(), Failure> {
        Ok(desk.put_requests(self.profile, &self.requests).await?)
    }

    /// Leaves the requests on the desk and waits for the answers of all lanes; `None` if a signal
    /// ended the wait, which is said.
    pub(super) async fn ask(
        &self,
        desk: &dyn Desk,
        output: &mut Output,
    ) -> Result<Option<Vec<LaneRequest>>, Failure> {
        self.put(desk).await?;
        self.answers(desk, output).await
    }

    /// What was asked before, to be waited for.
    pub(super) fn asked_before(
        id: Uuid,
        profile: &'a ProfileId,
        requests: Vec<LaneRequest>,
    ) -> Self {
        Self { id, profile, requests }
    }

    /// Waits for the answers of all lanes; `None` if a signal ended the wait, which is said.
    pub(super) async fn answers(
        &self,
        desk: &dyn Desk,
        output: &mut Output,
    ) -> Result<Option<Vec<LaneRequest>>, Failure> {
        let mut signals = Signals::listen()?;
        output.flush()?;
        let progress = spinner(&format!("of {} answered", self.lanes()));
        let ending = self
            .wait(desk, signals.next(), |answered, requests| {
                progress.set_position(answered);
                progress.set_message(share_read(requests));
            })
            .await;
        progress.finish_and_clear();
        match ending? {
            Ending::Finished(answers) => Ok(Some(answers)),
            Ending::Interrupted => {
                output.line("no longer waited for; the request goes on")?;
                Ok(None)
            }
            Ending::Silent { answered } => Err(self.silent(answered)),
        }
    }

    async fn wait(
        &self,
        desk: &dyn Desk,
        stop: impl Future<Output = &'static str>,
        mut answered_so_far: impl FnMut(u64, &[LaneRequest]),
    ) -> Result<Ending, Failure> {
        tokio::pin!(stop);
        let mut last = Vec::new();
        let mut since = Instant::now();
        loop {
            // A signal first, or a destination that hangs could not be left.
            let found = tokio::select! {
                biased;
                _ = &mut stop => return Ok(Ending::Interrupted),
                found = desk.requests(self.profile, WhichRequests::All) => found?,
            };
            let mine: Vec<LaneRequest> =
                found.into_iter().filter(|request| request.id == self.id).collect();
            let answered = mine.iter().filter(|request| request.state.is_finished()).count();
            if answered >= self.requests.len() {
                return Ok(Ending::Finished(mine));
            }
            answered_so_far(u64::try_from(answered).unwrap_or(u64::MAX), &mine);
            if mine != last {
                (last, since) = (mine, Instant::now());
            } else if since.elapsed() >= PATIENCE {
                return Ok(Ending::Silent { answered });
            }
            tokio::select! {
                biased;
                _ = &mut stop => return Ok(Ending::Interrupted),
                () = sleep(LOOK_PERIOD) => {}
            }
        }
    }

    fn lanes(&self) -> String {
        counted(u64::try_from(self.requests.len()).unwrap_or(u64::MAX), "lane")
    }

    fn silent(&self, answered: usize) -> Failure {
        let (lanes, patience) = (self.lanes(), PATIENCE.as_secs());
        let what = match answered {
            0 => format!("no process has answered for {patience} s"),
            some => format!("only {some} of {lanes} have answered; no other one for {patience} s"),
        };
        let hint = "the request stays, and is done when a process runs: start `keepstep run`; \
                    `keepstep status` shows who owns the lanes";
        Failure::new(what, hint)
    }
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// Every lane has finished.
    Finished(Vec<LaneRequest>),
    /// A signal came.
    Interrupted,
    /// Nothing new came for [`PATIENCE`]; so many lanes had finished.
    Silent { answered: usize },
}

/// How much of their replays lanes have read, in words; nothing for other requests.
fn share_read(requests: &[LaneRequest]) -> String {
    let number = |request: &LaneRequest, field| said(request, field).and_then(|it| it.as_i64());
    let (mut read, mut all) = (0_i64, 0_i64);
    for request in requests {
        let (from, at) = (number(request, "from"), number(request, "at"));
        let ends = said(request, "to").unwrap_or_default();
        let end = ends.as_object().into_iter().flatten().filter_map(|(_, end)| end.as_i64()).max();
        if let (Some(from), Some(at), Some(end)) = (from, at, end) {
            read = read.saturating_add(at.saturating_sub(from));
            all = all.saturating_add(end.saturating_sub(from));
        }
    }
    let percent = read.saturating_mul(100).checked_div(all);
    percent.map_or_else(String::new, |percent| format!("; {percent} % read again"))
}

/// A field of what a lane says of a request; `None` if it says nothing that can be read.
pub(super) fn said(request: &LaneRequest, field: &str) -> Option<Value> {
    let progress: Value = serde_json::from_str(&request.progress).ok()?;
    progress.get(field).cloned()
}

/// Fails if a lane did not do its part.
pub(super) fn all_done(answers: &[LaneRequest]) -> Result<(), Failure> {
    let mut undone = answers.iter().filter(|request| request.state != RequestState::Done);
    let Some(first) = undone.next() else {
        return Ok(());
    };
    let count = counted(u64::try_from(undone.count()).unwrap_or(u64::MAX) + 1, "lane");
    let why = said(first, "why").and_then(|why| why.as_str().map(plain));
    let why = why.unwrap_or_else(|| first.state.as_str().to_owned());
    let what = format!("{count} did not do it; {} says: {why}", first.lane.topic_partition);
    Err(Failure::new(what, "run the same version of keepstep everywhere, then ask again"))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use serde_json::json;

    use super::*;
    use crate::destination::memory::MemoryDestination;
    use crate::model::mutation::Mutations;
    use crate::model::position::Topic;

    fn crm() -> ProfileId {
        ProfileId::new("crm").unwrap()
    }

    fn question(profile: &ProfileId) -> Question<'_> {
        let topic = Topic::new("t");
        let lanes = [0, 2].map(|number| TopicPartition::new(&topic, number));
        Question::new(profile, lanes.into(), &json!({"kind": "resume", "entity": null}))
    }

    async fn answer(desk: &dyn Desk, request: &LaneRequest, to: RequestState, progress: &str) {
        let from = RequestState::Asked;
        assert!(desk.move_request((request.id, &request.lane), from, to, progress).await.unwrap());
    }

    #[test]
    fn every_lane_gets_one_request_and_all_have_one_id() {
        let profile = crm();
        let question = question(&profile);
        let lanes: Vec<String> =
            question.requests.iter().map(|request| request.lane.to_string()).collect();
        assert_eq!(lanes, ["crm:t/0", "crm:t/2"]);
        assert!(question.requests.iter().all(|request| request.id == question.id));
        let body: Value = serde_json::from_str(&question.requests[0].body).unwrap();
        assert_eq!(body, json!({"kind": "resume", "entity": null}));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_every_lane_has_answered() {
        let (desk, profile) = (MemoryDestination::new(Mutations::default()), crm());
        let (mine, other) = (question(&profile), question(&profile));
        mine.put(&desk).await.unwrap();
        other.put(&desk).await.unwrap();
        let [first, second] = mine.requests.as_slice() else { panic!("two requests") };
        answer(&desk, first, RequestState::Done, "{}").await;
        let later = async {
            sleep(PATIENCE / 2).await;
            answer(&desk, second, RequestState::Refused, r#"{"why":"too\told"}"#).await;
        };
        let mut counts = Vec::new();
        let wait = mine.wait(&desk, pending(), |count, _| counts.push(count));
        let (ending, ()) = tokio::join!(wait, later);
        let Ok(Ending::Finished(answers)) = ending else { panic!("{ending:?}") };
        assert_eq!(answers.len(), 2);
        assert!(!counts.is_empty() && counts.iter().all(|count| *count == 1), "{counts:?}");
        let failure = all_done(&answers).unwrap_err();
        assert_eq!(failure.what, "1 lane did not do it; t/2 says: too\u{fffd}old");
        assert_eq!(all_done(&answers[..1]), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let (desk, profile) = (MemoryDestination::new(Mutations::default()), crm());
        let question = question(&profile);
        question.put(&desk).await.unwrap();
        let began = Instant::now();
        let ending = question.wait(&desk, pending(), |_, _| {}).await;
        assert_eq!(ending, Ok(Ending::Silent { answered: 0 }));
        assert!((PATIENCE..PATIENCE * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
        answer(&desk, &question.requests[0], RequestState::Done, "").await;
        let ending = question.wait(&desk, pending(), |_, _| {}).await;
        assert_eq!(ending, Ok(Ending::Silent { answered: 1 }));
        assert!(question.silent(0).what.starts_with("no process has answered for 30 s"));
        assert!(question.silent(1).what.starts_with("only 1 of 2 lanes have answered;"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_wait_and_the_request_stays() {
        let (desk, profile) = (MemoryDestination::new(Mutations::default()), crm());
        let question = question(&profile);
        question.put(&desk).await.unwrap();
        let ending = question.wait(&desk, ready("SIGINT"), |_, _| {}).await;
        assert_eq!(ending, Ok(Ending::Interrupted));
        let requests = desk.requests(&profile, WhichRequests::All).await.unwrap();
        assert!(requests.iter().all(|request| request.state == RequestState::Asked));
    }

    #[test]
    fn replays_say_how_much_they_have_read() {
        let profile = crm();
        let mut requests = question(&profile).requests;
        assert_eq!(share_read(&requests), "");
        requests[0].progress =
            r#"{"from":100,"at":150,"to":{"account":200,"lead":180}}"#.to_owned();
        requests[1].progress = r#"{"from":0,"at":0,"to":{"account":100}}"#.to_owned();
        assert_eq!(share_read(&requests), "; 25 % read again");
        requests[1].progress = r#"{"from":0,"at":"x","to":[]}"#.to_owned();
        assert_eq!(share_read(&requests), "; 50 % read again");
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let profile = crm();
        let mut request = question(&profile).requests.remove(0);
        for progress in ["", "{", "7", r#"{"record":1}"#] {
            request.progress = progress.to_owned();
            assert_eq!(said(&request, "records"), None, "{progress}");
        }
        request.progress = r#"{"records":3}"#.to_owned();
        assert_eq!(said(&request, "records"), Some(json!(3)));
    }
}
