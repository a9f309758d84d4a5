//! Topics and records without any group.

use bytes::Bytes;
use keepstep::log::{NewRecord, TopicDescription, partition_of};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use tokio::task::JoinSet;

use super::scene::{Scene, append, bounds, numbered, numbers, only};

/// What there is, what there is not, and where partitions begin and end.
pub async fn a_topic_is_described(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("described", 3).await;
    let Some(TopicDescription { partitions, compacted }) = log.describe(&topic).await.unwrap()
    else {
        panic!("{topic} is there");
    };
    assert_eq!(partitions, 3);
    assert_ne!(compacted, Some(true));
    assert_eq!(log.describe(&Topic::new("never.made")).await.unwrap(), None);

    let (first, last) = (TopicPartition::new(&topic, 0), TopicPartition::new(&topic, 2));
    assert_eq!(bounds(&*log, &last).await, (0, 0));
    append(&*log, &last, 0..5).await;
    assert_eq!(bounds(&*log, &last).await, (0, 5));
    assert_eq!(bounds(&*log, &first).await, (0, 0));
    assert!(log.bounds(&TopicPartition::new(&topic, 3)).await.is_err());
}

/// Keys, payloads, headers and times at their odd ends.
pub async fn records_come_back_as_they_were(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("odd-ends", 1).await;
    let bytes = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let many: Vec<_> =
        (0..100).map(|n| (format!("h{n}").into(), Bytes::from(vec![n; 9]))).collect();
    let large: Vec<u8> =
        (0..250_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let given = [
        NewRecord { key: bytes("k"), payload: bytes("p"), ..NewRecord::default() },
        NewRecord { key: None, payload: bytes("no key"), ..NewRecord::default() },
        NewRecord { key: bytes(""), payload: bytes("empty key"), ..NewRecord::default() },
        NewRecord { key: bytes("null payload"), payload: None, ..NewRecord::default() },
        NewRecord { key: bytes("empty payload"), payload: bytes(""), ..NewRecord::default() },
        NewRecord { key: None, payload: None, ..NewRecord::default() },
        NewRecord { headers: many, ..NewRecord::default() },
        NewRecord {
            headers: vec![
                ("twice".into(), Bytes::from_static(b"1")),
                ("twice".into(), Bytes::from_static(b"2")),
                ("empty".into(), Bytes::new()),
                ("größe \u{1f9ed}".into(), Bytes::from_static(&[0, 255, 10])),
            ],
            ..NewRecord::default()
        },
        NewRecord { payload: Some(Bytes::from(large)), ..NewRecord::default() },
        NewRecord { payload: bytes("after the large one"), ..NewRecord::default() },
    ];
    let given = given.map(|it| NewRecord {
        partition: Some(0),
        timestamp_ms: Some(1_700_000_000_123),
        ..it
    });
    let positions = log.append(&topic, given.to_vec()).await.unwrap();
    for (record, (partition, offset)) in given.iter().zip(positions) {
        let it = TopicPartition::new(&topic, partition);
        let read = log.read_at(&it, offset).await.unwrap().unwrap();
        let same = read.offset == offset
            && read.timestamp_ms == 1_700_000_000_123
            && read.key == record.key
            && read.payload == record.payload
            && read.headers == record.headers;
        assert!(same, "the record at {offset} is not what was appended");
    }
}

/// Key decides, unless a partition is named; offsets ascend.
pub async fn appends_say_where_records_lie(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("places", 4).await;
    let keyed: Vec<NewRecord> = (0..40)
        .map(|n| NewRecord { partition: None, ..numbered(0, n) })
        .chain((40..50).map(|n| numbered(3, n)))
        .collect();
    let positions = log.append(&topic, keyed.clone()).await.unwrap();
    assert_eq!(positions.len(), keyed.len());
    let mut ends = [0; 4];
    for (record, (partition, offset)) in keyed.iter().zip(&positions) {
        let expected = record.partition.unwrap_or(partition_of(record.key.as_ref().unwrap(), 4));
        assert_eq!(*partition, expected);
        let end = &mut ends[*partition as usize];
        assert_eq!(*offset, Offset(*end));
        *end += 1;
    }
    assert!(ends.iter().all(|end| *end > 0), "the keys reach every partition");
    assert_eq!(log.append(&topic, Vec::new()).await.unwrap(), []);
    let keyless = NewRecord { partition: None, key: None, ..numbered(0, 50) };
    let (partition, offset) = log.append(&topic, vec![keyless]).await.unwrap()[0];
    let it = TopicPartition::new(&topic, partition);
    assert_eq!(numbers(&[log.read_at(&it, offset).await.unwrap().unwrap()]), [50]);
    assert!(log.append(&Topic::new("never.made"), vec![numbered(0, 0)]).await.is_err());
}

/// Eight appenders, one partition.
pub async fn appends_at_once_do_not_mix_up(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("at-once", 1).await;
    let mut appenders = JoinSet::new();
    for appender in 0..8_u32 {
        let (log, topic) = (std::sync::Arc::clone(&log), topic.clone());
        appenders.spawn(async move {
            let mut positions = Vec::new();
            for step in 0..5 {
                let records = (0..4).map(|n| numbered(0, appender * 100 + step * 4 + n)).collect();
                positions.extend(log.append(&topic, records).await.unwrap());
            }
            assert!(positions.is_sorted(), "an appender's records keep their order");
            positions
        });
    }
    let mut positions: Vec<_> = appenders.join_all().await.concat();
    positions.sort();
    assert_eq!(positions, (0..160).map(|n| (0, Offset(n))).collect::<Vec<_>>());
    let mut all = Vec::new();
    for (_, offset) in positions {
        all.push(log.read_at(&only(&topic), offset).await.unwrap().unwrap());
    }
    let all = numbers(&all);
    for appender in 0..8 {
        let own: Vec<u32> = all.iter().copied().filter(|n| n / 100 == appender).collect();
        assert_eq!(own, (0..20).map(|n| appender * 100 + n).collect::<Vec<_>>());
    }
}

/// Exactly there, and not beyond the end.
pub async fn a_record_is_read_at_its_position(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("read-at", 2).await;
    let it = TopicPartition::new(&topic, 1);
    assert_eq!(log.read_at(&it, Offset(0)).await.unwrap(), None);
    append(&*log, &it, 0..30).await;
    append(&*log, &it, 30..31).await;
    for number in [0_u32, 7, 29, 30] {
        let offset = Offset(number.into());
        let record = log.read_at(&it, offset).await.unwrap().unwrap();
        assert_eq!((record.offset, numbers(&[record])[0]), (offset, number));
    }
    for offset in [31, 1_000] {
        assert_eq!(log.read_at(&it, Offset(offset)).await.unwrap(), None);
    }
    assert_eq!(log.read_at(&TopicPartition::new(&topic, 0), Offset(0)).await.unwrap(), None);
}

/// Before, at, between and after; times that go back.
pub async fn a_time_leads_to_an_offset(scene: Scene) {
    const FIRST_MS: i64 = 1_700_000_000_000;
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("times", 1).await;
    let it = only(&topic);
    assert_eq!(log.offset_for_time(&it, FIRST_MS).await.unwrap(), NextOffset(0));
    let at = |number: u32, ms: i64| NewRecord {
        timestamp_ms: Some(FIRST_MS + ms),
        ..numbered(0, number)
    };
    for (number, ms) in (0..).zip([0, 100, 100, 300, 200, 500]) {
        log.append(&topic, vec![at(number, ms)]).await.unwrap();
    }
    log.append(&topic, (6..200).map(|n| at(n, i64::from(n) * 100)).collect()).await.unwrap();
    for (ms, offset) in [
        (-1, 0),
        (0, 0),
        (1, 1),
        (100, 1),
        (101, 3),
        (200, 3),
        (300, 3),
        (301, 5),
        (500, 5),
        (501, 6),
        (6_001, 61),
        (19_900, 199),
        (19_901, 200),
    ] {
        let found = log.offset_for_time(&it, FIRST_MS + ms).await.unwrap();
        assert_eq!(found, NextOffset(offset), "{ms} ms after the first");
    }
}
