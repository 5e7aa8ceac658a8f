------------------------------ MODULE Recovery ------------------------------
(* One lane of a sale with one item: take, relay, intake, end, settle, close, compare, rebuild and open, with *)
(* openers that may stop between any two steps, a Redis that restarts, loses its newest writes or everything, *)
(* and a Kafka that may lose what was not stored. The rules are those of docs/recovery.md; each can be left   *)
(* out, which shows what it is for. What is left out of the model stands in docs/reliability.md.              *)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
  Total,        \* units of the item
  Ids,          \* reservations that may be made, in this order: 1..n
  Openers,      \* stock processes that close and open lanes
  RestartsMax,  \* restarts of Redis that lose nothing
  LossesMax,    \* losses of Redis' newest writes, or of all of them
  KafkaLossesMax,
  RelayMaySleep,\* between reading an entry and sending it, while Redis loses the entry
  ForgetsMax,   \* restarts of stock, which knows then no more what it acknowledged
  EpochMax,
  ClosingsMax,
  \* The rules.
  UnitsAreCounted,     \* reserve.lua takes no unit that is not there
  LedgerIsConstrained, \* the ledger takes no order beyond the total
  GateKnowsRedis,      \* reserve.lua compares the Redis that a lane was opened under
  PipesAreWaitedFor,   \* outbox and Kafka are empty before anything is compared or read
  SequenceIsCompared,  \* order compares the lane's sequence with what it stored
  EpochIsCompared,     \* order opens the newest epoch only, and none that it distrusts
  MarksAreCompared,    \* a lane below what was acknowledged to buyers is not opened
  FenceIsCompared,     \* open.lua opens the closing that order was asked about, and nothing that changed since
  HoldsAreAsked,       \* order is asked about every hold before the lane is opened or loaded
  EndsAreSettledAgain, \* what ended since the snapshot is settled after the load
  LateIsDistrusted     \* an order that the newest snapshot lacks makes its epoch distrusted

VARIABLES
  redis,    \* the lane
  run,      \* the identity of the Redis that runs now
  saved,    \* the lane as it stood at some instant; a loss brings it back
  read,     \* entries that the relay has read and not yet sent
  kafka,    \* messages of reservations, in order
  pg,       \* what PostgreSQL has
  ends,     \* settlements that are on their way
  made,     \* epoch and sequence of each reservation; its length is how many were made
  marks,    \* the highest epoch and sequence that was acknowledged to a buyer
  lost,     \* promises that stood in Redis alone when Redis lost them
  opener,   \* how far each opener is
  banned,   \* epochs under which the lane was closed while order distrusted them
  count     \* of restarts and losses so far

vars == <<redis, run, saved, read, kafka, pg, ends, made, marks, lost, opener, banned, count>>

Empty == [gate |-> "missing", run |-> 0, epoch |-> 0, sequence |-> 0, fence |-> 0,
          holds |-> {}, sold |-> {}, outbox |-> {}]
Idle == [at |-> "idle", run |-> 0, fence |-> 0, epoch |-> 0, sequence |-> 0, end |-> 0,
         isMissing |-> FALSE, pending |-> {}, paid |-> {}]
None == [epoch |-> 0, sequence |-> 0]

Max(a, b) == IF a > b THEN a ELSE b
SetMax(S) == IF S = {} THEN 0 ELSE CHOOSE x \in S : \A y \in S : y <= x
InKafka == {kafka[i] : i \in DOMAIN kafka}
Known == DOMAIN made
StatusOf(id) == IF id \in DOMAIN pg.orders THEN pg.orders[id] ELSE "none"
With(status) == {id \in DOMAIN pg.orders : pg.orders[id] = status}
Live == With("pending") \cup With("paid")
Sells == redis.gate = "open" /\ (GateKnowsRedis => redis.run = run)
IsBelow(a, b) == a.epoch < b.epoch \/ (a.epoch = b.epoch /\ a.sequence < b.sequence)
(* Refused orders count: their sequences were stored. *)
StoredSequence(epoch) == SetMax({made[id].sequence : id \in {one \in DOMAIN pg.orders : made[one].epoch = epoch}})

Start == [Empty EXCEPT !.gate = "open", !.run = 1, !.epoch = 1]

Init ==
  /\ redis = Start
  /\ run = 1
  /\ saved = Start
  /\ read = {}
  /\ kafka = <<>>
  /\ pg = [epoch |-> 1, distrusted |-> {}, offset |-> 0, orders |-> <<>>]
  /\ ends = {}
  /\ made = <<>>
  /\ marks = None
  /\ lost = {}
  /\ opener = [o \in Openers |-> Idle]
  /\ banned = {}
  /\ count = [restarts |-> 0, losses |-> 0, kafka |-> 0, forgets |-> 0]

----------------------------------------------------------------------------
(* The sale. *)

Reserve ==
  /\ redis.gate = "open"
  /\ GateKnowsRedis => redis.run = run
  /\ UnitsAreCounted => Cardinality(redis.holds \cup redis.sold) < Total
  /\ Len(made) < Cardinality(Ids)
  /\ LET id == Len(made) + 1
         name == [epoch |-> redis.epoch, sequence |-> redis.sequence + 1]
     IN /\ made' = Append(made, name)
        /\ redis' = [redis EXCEPT !.sequence = @ + 1, !.holds = @ \cup {id}, !.outbox = @ \cup {id}]
        /\ marks' = IF IsBelow(marks, name) THEN name ELSE marks
  /\ UNCHANGED <<banned, run, saved, read, kafka, pg, ends, lost, opener, count>>

RelayReads(id) ==
  /\ id \in redis.outbox \ (read \cup InKafka)
  /\ read' = read \cup {id}
  /\ UNCHANGED <<banned, redis, run, saved, kafka, pg, ends, made, marks, lost, opener, count>>

RelaySends(id) ==
  /\ id \in read
  /\ read' = read \ {id}
  /\ kafka' = Append(kafka, id)
  /\ UNCHANGED <<banned, redis, run, saved, pg, ends, made, marks, lost, opener, count>>

RelayTrims(id) ==
  /\ id \in redis.outbox \cap InKafka
  /\ redis' = [redis EXCEPT !.outbox = @ \ {id}]
  /\ UNCHANGED <<banned, run, saved, read, kafka, pg, ends, made, marks, lost, opener, count>>

(* One transaction. What was stored before is a duplicate. *)
Intake ==
  /\ pg.offset < Len(kafka)
  /\ LET id == kafka[pg.offset + 1]
         isFork == \E other \in DOMAIN pg.orders : pg.orders[other] # "refused" /\ made[other] = made[id]
         isRefused == isFork \/ (LedgerIsConstrained /\ Cardinality(Live) >= Total)
         isLate == LateIsDistrusted /\ made[id].epoch < pg.epoch
         status == IF isRefused THEN "refused" ELSE "pending"
         next == [pg EXCEPT !.offset = @ + 1]
     IN pg' = IF id \in DOMAIN pg.orders THEN next
              ELSE [next EXCEPT
                !.orders = [one \in DOMAIN pg.orders \cup {id} |-> IF one = id THEN status ELSE pg.orders[one]],
                !.distrusted = IF isRefused \/ isLate THEN @ \cup {pg.epoch} ELSE @]
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, ends, made, marks, lost, opener, count>>

End(id, status) ==
  /\ StatusOf(id) = "pending"
  /\ pg' = [pg EXCEPT !.orders[id] = status]
  /\ ends' = ends \cup {id}
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, made, marks, lost, opener, count>>

(* settle.lua, for all of these orders. *)
Settled(lane, ids) ==
  [lane EXCEPT !.holds = @ \ (ids \cap (With("paid") \cup With("over"))),
               !.sold = @ \cup (ids \cap lane.holds \cap With("paid"))]

Settle(id) ==
  /\ id \in ends
  /\ ends' = ends \ {id}
  /\ redis' = IF redis.gate = "missing" THEN redis ELSE Settled(redis, {id})
  /\ UNCHANGED <<banned, run, saved, read, kafka, pg, made, marks, lost, opener, count>>

----------------------------------------------------------------------------
(* What fails. *)

Save ==
  /\ count.losses < LossesMax
  /\ saved = Start
  /\ saved' = redis
  /\ UNCHANGED <<banned, redis, run, read, kafka, pg, ends, made, marks, lost, opener, count>>

Restart ==
  /\ count.restarts < RestartsMax
  /\ run' = run + 1
  /\ count' = [count EXCEPT !.restarts = @ + 1]
  /\ UNCHANGED <<banned, redis, saved, read, kafka, pg, ends, made, marks, lost, opener>>

BecomesOlder(lane) ==
  /\ redis' = lane
  /\ lost' = lost \cup ((redis.holds \cup redis.outbox)
                         \ (lane.holds \cup lane.outbox \cup read \cup InKafka \cup DOMAIN pg.orders))
  /\ count' = [count EXCEPT !.losses = @ + 1]
  /\ UNCHANGED <<banned, saved, read, kafka, pg, ends, made, marks, opener>>

LoseTail ==
  /\ count.losses < LossesMax
  /\ RelayMaySleep \/ read = {}
  /\ run' = run + 1
  /\ BecomesOlder(saved)
(* FLUSHALL: the same Redis has no lane any more. *)
LoseAll ==
  /\ count.losses < LossesMax
  /\ RelayMaySleep \/ read = {}
  /\ run' = run
  /\ BecomesOlder(Empty)

KafkaLoses ==
  /\ count.kafka < KafkaLossesMax
  /\ pg.offset < Len(kafka)
  /\ kafka' = SubSeq(kafka, 1, pg.offset)
  /\ lost' = lost \cup ({kafka[i] : i \in (pg.offset + 1)..Len(kafka)}
                         \ (redis.holds \cup redis.outbox \cup read \cup DOMAIN pg.orders))
  /\ count' = [count EXCEPT !.kafka = @ + 1]
  /\ UNCHANGED <<banned, redis, run, saved, read, pg, ends, made, marks, opener>>

StockForgets ==
  /\ count.forgets < ForgetsMax
  /\ marks # None
  /\ marks' = None
  /\ count' = [count EXCEPT !.forgets = @ + 1]
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, pg, ends, made, lost, opener>>

----------------------------------------------------------------------------
(* The openers. *)

Goes(o, step) == opener' = [opener EXCEPT ![o] = step]
Gives(o) == Goes(o, Idle)

(* What makes a stock process look at a lane. It may be true no more when the process acts. *)
Decide(o) ==
  /\ opener[o].at = "idle"
  /\ \/ redis.gate # "open"
     \/ redis.run # run
     \/ redis.epoch \in pg.distrusted
     \/ IsBelow([epoch |-> redis.epoch, sequence |-> redis.sequence], marks)
  /\ Goes(o, [Idle EXCEPT !.at = "decided", !.run = run])
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

Close(o) ==
  /\ opener[o].at = "decided"
  /\ IF redis.gate = "missing"
     THEN UNCHANGED redis /\ Goes(o, [opener[o] EXCEPT !.at = "closed", !.isMissing = TRUE])
     ELSE /\ redis.fence < ClosingsMax
          /\ redis' = [redis EXCEPT !.gate = "closed", !.fence = @ + 1]
          /\ Goes(o, [opener[o] EXCEPT !.at = "closed", !.fence = redis.fence + 1])
  /\ banned' = IF redis.epoch \in pg.distrusted THEN banned \cup {redis.epoch} ELSE banned
  /\ UNCHANGED <<run, saved, read, kafka, pg, ends, made, marks, lost, count>>

(* The relay has emptied the outbox, and Kafka has told its end. *)
FindsEnd(o) ==
  /\ opener[o].at = "closed"
  /\ PipesAreWaitedFor => redis.outbox = {}
  /\ Goes(o, [opener[o] EXCEPT !.at = "end", !.end = Len(kafka)])
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

(* Holds that order knows not are published again, and waited for once more. *)
AsksAboutHolds(o) ==
  /\ opener[o].at = "end"
  /\ PipesAreWaitedFor => pg.offset >= opener[o].end
  /\ LET unknown == redis.holds \ (DOMAIN pg.orders \cup InKafka)
         id == SetMax(unknown)
     IN IF HoldsAreAsked /\ unknown # {}
        THEN /\ kafka' = Append(kafka, id)
             /\ Goes(o, [opener[o] EXCEPT !.at = "closed"])
             /\ UNCHANGED redis
        ELSE /\ redis' = IF HoldsAreAsked THEN Settled(redis, redis.holds) ELSE redis
             /\ Goes(o, [opener[o] EXCEPT !.at = IF opener[o].isMissing THEN "rebuild" ELSE "asks",
                                          !.epoch = redis.epoch, !.sequence = redis.sequence])
             /\ UNCHANGED kafka
  /\ UNCHANGED <<banned, run, saved, read, pg, ends, made, marks, lost, count>>

AsksForOpening(o) ==
  /\ opener[o].at = "asks"
  /\ LET one == opener[o]
         isGranted ==
           /\ EpochIsCompared => one.epoch = pg.epoch /\ one.epoch \notin pg.distrusted
           /\ SequenceIsCompared => one.sequence = StoredSequence(one.epoch)
           /\ MarksAreCompared => ~IsBelow([epoch |-> one.epoch, sequence |-> one.sequence], marks)
     IN Goes(o, [one EXCEPT !.at = IF isGranted THEN "granted" ELSE "rebuild"])
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

Open(o) ==
  /\ opener[o].at = "granted"
  /\ LET one == opener[o]
         isSame == redis.fence = one.fence /\ redis.sequence = one.sequence /\ redis.outbox = {}
     IN IF redis.gate = "closed" /\ redis.epoch = one.epoch /\ (FenceIsCompared => isSame)
        THEN redis' = [redis EXCEPT !.gate = "open", !.run = one.run]
        ELSE UNCHANGED redis
  /\ Gives(o)
  /\ UNCHANGED <<banned, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

(* One transaction raises the epoch and reads what is stored. *)
ReadsSnapshot(o) ==
  /\ opener[o].at = "rebuild"
  /\ LET epoch == Max(Max(pg.epoch, redis.epoch), marks.epoch) + 1
     IN /\ epoch <= EpochMax
        /\ pg' = [pg EXCEPT !.epoch = epoch]
        /\ Goes(o, [opener[o] EXCEPT !.at = "loads", !.epoch = epoch,
                                     !.pending = With("pending"), !.paid = With("paid")])
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, ends, made, marks, lost, count>>

Load(o) ==
  /\ opener[o].at = "loads"
  /\ LET one == opener[o]
     IN IF redis.gate # "open" /\ redis.outbox = {} /\ one.epoch > redis.epoch
        THEN /\ redis' = [Empty EXCEPT !.gate = "closed", !.fence = redis.fence, !.epoch = one.epoch,
                                       !.holds = one.pending, !.sold = one.paid]
             /\ Goes(o, [one EXCEPT !.at = "loaded", !.fence = redis.fence])
        ELSE UNCHANGED redis /\ Gives(o)
  /\ UNCHANGED <<banned, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

SettlesAgain(o) ==
  /\ opener[o].at = "loaded"
  /\ redis' = IF EndsAreSettledAgain THEN Settled(redis, redis.holds) ELSE redis
  /\ Goes(o, [opener[o] EXCEPT !.at = "asks", !.sequence = redis.sequence])
  /\ UNCHANGED <<banned, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

Dies(o) ==
  /\ opener[o].at # "idle"
  /\ Gives(o)
  /\ UNCHANGED <<banned, redis, run, saved, read, kafka, pg, ends, made, marks, lost, count>>

----------------------------------------------------------------------------

Next ==
  \/ Reserve \/ Intake \/ Save \/ Restart \/ LoseTail \/ LoseAll \/ KafkaLoses \/ StockForgets
  \/ \E id \in Ids : RelayReads(id)
  \/ \E id \in Ids : RelaySends(id)
  \/ \E id \in Ids : RelayTrims(id)
  \/ \E id \in Ids : Settle(id)
  \/ \E id \in Ids : \E status \in {"paid", "over"} : End(id, status)
  \/ \E o \in Openers : Decide(o)
  \/ \E o \in Openers : Close(o)
  \/ \E o \in Openers : FindsEnd(o)
  \/ \E o \in Openers : AsksAboutHolds(o)
  \/ \E o \in Openers : AsksForOpening(o)
  \/ \E o \in Openers : Open(o)
  \/ \E o \in Openers : ReadsSnapshot(o)
  \/ \E o \in Openers : Load(o)
  \/ \E o \in Openers : SettlesAgain(o)
  \/ \E o \in Openers : Dies(o)

Spec == Init /\ [][Next]_vars

----------------------------------------------------------------------------

(* INV-1: never more than there is, in PostgreSQL and in the lane. *)
NothingIsOversold == Cardinality(Live) <= Total
LaneIsNotOversold == Cardinality(redis.holds \cup redis.sold) <= Total

(* INV-2: what was promised is somewhere, unless it stood in one place alone, which was lost. *)
NoPromiseIsDropped ==
  \A id \in Known \ lost :
    id \in redis.holds \cup redis.outbox \cup redis.sold \cup read \cup InKafka \cup DOMAIN pg.orders

(* A lane that sells knows every order there is. Otherwise it promises units that are gone. *)
OpenLaneKnowsAll ==
  Sells /\ redis.epoch = pg.epoch /\ redis.epoch \notin pg.distrusted => Live \subseteq redis.holds \cup redis.sold

(* What was closed because order distrusts it is never opened again, only loaded anew. *)
DistrustedLaneStaysClosed == Sells => redis.epoch \notin banned

(* While nothing is lost, nobody who was promised an order is refused. *)
NobodyIsRefused == count.losses = 0 /\ count.kafka = 0 => With("refused") = {}

(* INV-3: once nothing is on its way, no unit is kept for an order that has ended. *)
NoUnitIsKept ==
  Sells /\ ends = {} => redis.holds \cap With("over") = {}

(* The contrary of what must come about, or a model that never opens a lane again would keep all of the above. *)
NeverOpensAfterComparison == ~(Sells /\ redis.epoch = 1 /\ redis.fence > 0)
NeverOpensAfterLoad == ~(Sells /\ redis.epoch > 1)
NeverSellsAfterLoad == ~(Sells /\ redis.epoch > 1 /\ \E id \in redis.holds : made[id].epoch = redis.epoch)
NeverReleases == ~(Sells /\ With("over") # {} /\ redis.holds = {} /\ ends = {})

=============================================================================
