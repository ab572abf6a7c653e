/*
 * What must hold of a bad page between ring, ledger, session and guest, whoever dies meanwhile:
 * 2 VMs on one notifier, 2 pages each, 2 boots each. Crashes of the notifier, the agents, the
 * guests; frames that are lost, and frames that are read by a later session or boot.
 *
 * The words are the code's: model_test.py compares them with the tables (phases.md,
 * session_phase.cc, page_life.cc). What the code does in several steps that nobody can come between
 * is one atomic step here: a turn of the notifier's loop, a commit, a turn of the agent's loop.
 *
 * Left out: deferred, failed and excluded verdicts, corrected errors, healing, the end of a memory;
 * the ledger's thread is late (commit) and never refuses. Sync frames: what they would say is looked
 * at instead.
 *
 * Events of the table that are not here (event: in a comment names those that are):
 * left out: channel closed, channel writable, same hello, wanted known, all answered, forgotten
 */

/* How often things happen that may happen at any time. */
#ifndef LOSSES
#define LOSSES 1    /* frames on their way, of all */
#endif
#ifndef DEATHS
#define DEATHS 1    /* of the notifier */
#endif
#ifndef AGENT_DEATHS
#define AGENT_DEATHS 1 /* of all agents */
#endif
#ifndef SILENCES
#define SILENCES 1  /* heartbeats that pass unheard, of all */
#endif
#ifndef VMS
#define VMS 2
#endif
#define PAGES 2
#define BOOTS 2

/* host-notifier/session/phases.md */
mtype:phase = { no_channel, calling, greeted, syncing, live, probing, lost };
/* guest-agent/session/session_phase.cc; its `live` is agent_live here: one name, one meaning */
mtype:agent_phase = { no_host, greeting, agent_live };
/* host-notifier/ledger/page_life.cc */
mtype:life = { reported, delivered, retired, excluded, deferred, failed, to_replay, cleared, closed };
/* protocol/spec.md, those that the model sends */
mtype:frame = { hello_request, hello, hello_ack, poison, verdict, ping, pong };
/* host-notifier/session/wanted_pages.h */
mtype:sending = { to_send, sent, answered };

/* One VM. What is durable, what dies with the notifier, what dies with the boot or the agent. */
typedef Vm {
  /* the VMM's ring: 1 published, 2 may be written again */
  byte slot[PAGES];
  /* the ledger */
  byte rows[PAGES];
  mtype:life life[PAGES];
  byte ledger_boot;
  /* the notifier */
  mtype:phase phase;
  byte nonce;
  byte session_boot;
  bool wanted[PAGES];
  bool uncommitted[PAGES];
  mtype:sending sending[PAGES];
  /* the guest */
  byte boot;
  bool flagged[PAGES]; /* by its kernel: out of use until the next boot */
  mtype:agent_phase agent;
  byte agent_nonce;
  byte next_nonce;
  byte owes[PAGES];   /* 1: heard of it, 2: done, the verdict is not sent */
  /* what an end will say when the channel takes it */
  bool welcomes;
  bool greets;
};
Vm vm[VMS];

/* type, nonce, page or boot, pages that the guest has dealt with */
#define ROOM 2
chan to_guest[VMS] = [ROOM] of { mtype:frame, byte, byte, byte };
chan to_host[VMS] = [ROOM] of { mtype:frame, byte, byte, byte };

byte losses = LOSSES, deaths = DEATHS, agent_deaths = AGENT_DEATHS, silences = SILENCES;

#define V vm[v]
#define STANDS (V.phase == syncing || V.phase == live || V.phase == probing || V.phase == lost)
#define QUIET (empty(to_guest[v]) && empty(to_host[v]))
#define DEALT (V.flagged[0] + 2 * V.flagged[1])
#define WANTED (V.wanted[0] + 2 * V.wanted[1])
#define IS_ANSWERED(p) (V.wanted[p] && V.sending[p] == answered)
#define ANSWERED (IS_ANSWERED(0) + 2 * IS_ANSWERED(1))
#define ALL_ANSWERED (ANSWERED == WANTED)

/* A page row may say `retired` of this boot only when the kernel has it out of use; a slot is free
 * only when its page is on record; a page has one row. */
#define TRUE_PAGE(p) \
  (V.rows[p] <= 1 && (V.slot[p] != 2 || V.rows[p] == 1) && \
   !(V.rows[p] == 1 && V.life[p] == retired && V.ledger_boot == V.boot && !V.flagged[p]))
#define CHECK assert(TRUE_PAGE(0) && TRUE_PAGE(1))

hidden mtype:frame gone;

inline flush(c) {
  do
  :: nempty(c) -> c ? gone, _, _, _
  :: empty(c) -> break
  od
}

/* Bytes that were under way when an end went away: they come later, or never. */
inline maybe_flush(c) {
  if
  :: flush(c)
  :: skip
  fi
}

inline commit(p) {
  if
  :: V.rows[p] == 0 -> V.rows[p] = 1; V.life[p] = reported
  :: else /* known: an event more */
  fi;
  if
  :: V.slot[p] == 1 -> V.slot[p] = 2
  :: else
  fi;
  V.uncommitted[p] = false;
  if
  :: V.sending[p] == sent && (V.life[p] == reported || V.life[p] == to_replay) ->
     V.life[p] = delivered
  :: else
  fi
}

inline greet() {
  V.next_nonce++;
  V.agent_nonce = V.next_nonce;
  V.agent = greeting;
  V.greets = true
}

/* BeginBoot of the ledger, NewBoot of the wanted pages. */
inline new_boot(b) {
  p = 0;
  do
  :: p < PAGES ->
     V.sending[p] = to_send;
     if
     :: V.uncommitted[p] -> commit(p) /* writes keep their order */
     :: else
     fi;
     if
     :: V.rows[p] == 1 && V.ledger_boot != b && V.life[p] != reported -> V.life[p] = to_replay
     :: else
     fi;
     p++
  :: else -> break
  od;
  V.session_boot = b;
  V.ledger_boot = b;
  p = 0
}

/* Which entries this boot still has to be given: Session::ChooseEntries. */
inline choose(dealt) {
  if
  :: dealt == WANTED
  :: else ->
     if
     :: dealt == ANSWERED
     :: else -> V.sending[0] = to_send; V.sending[1] = to_send
     fi
  fi
}

inline heard() {
  if
  :: V.phase == probing || V.phase == lost -> V.phase = syncing
  :: else
  fi
}

inline settle_phase() {
  if
  :: V.phase == syncing && ALL_ANSWERED -> V.phase = live
  :: V.phase == live && !ALL_ANSWERED -> V.phase = syncing
  :: else
  fi
}

proctype Notifier(byte v) {
  byte p, n, x, dealt;
end:
  do
  /* event: channel opened. What is wanted comes from the ledger. */
  :: atomic { V.phase == no_channel && nfull(to_guest[v]) ->
     V.phase = calling;
     p = 0;
     do
     :: p < PAGES ->
        V.wanted[p] = (V.rows[p] == 1);
        V.sending[p] = to_send;
        if
        :: V.rows[p] == 1 && V.life[p] == retired -> V.sending[p] = answered
        :: else
        fi;
        p++
     :: else -> break
     od;
     p = 0;
     V.session_boot = V.ledger_boot;
     to_guest[v] ! hello_request, 0, 0, 0 }
  /* event: call due */
  :: atomic { V.phase == calling && QUIET && V.agent != no_host ->
     to_guest[v] ! hello_request, 0, 0, 0 }
  /* event: delivered. An exit is taken out of the ring and told; its row follows. */
  :: atomic { V.phase != no_channel && V.slot[0] == 1 && !V.uncommitted[0] ->
     V.uncommitted[0] = true;
     if :: !V.wanted[0] -> V.wanted[0] = true; V.sending[0] = to_send :: else fi;
     settle_phase() }
  :: atomic { V.phase != no_channel && V.slot[1] == 1 && !V.uncommitted[1] ->
     V.uncommitted[1] = true;
     if :: !V.wanted[1] -> V.wanted[1] = true; V.sending[1] = to_send :: else fi;
     settle_phase() }
  :: atomic { V.uncommitted[0] -> commit(0); CHECK }
  :: atomic { V.uncommitted[1] -> commit(1); CHECK }
  /* Entries. */
  :: atomic { STANDS && V.wanted[0] && V.sending[0] == to_send && nfull(to_guest[v]) ->
     to_guest[v] ! poison, V.nonce, 0, 0; V.sending[0] = sent;
     if :: !V.uncommitted[0] && (V.life[0] == reported || V.life[0] == to_replay) ->
           V.life[0] = delivered :: else fi }
  :: atomic { STANDS && V.wanted[1] && V.sending[1] == to_send && nfull(to_guest[v]) ->
     to_guest[v] ! poison, V.nonce, 1, 0; V.sending[1] = sent;
     if :: !V.uncommitted[1] && (V.life[1] == reported || V.life[1] == to_replay) ->
           V.life[1] = delivered :: else fi }
  /* event: resend due. Nothing is under way, and still no answer. */
  :: atomic { STANDS && QUIET && !V.owes[0] && !V.owes[1] &&
     ((V.wanted[0] && V.sending[0] == sent) || (V.wanted[1] && V.sending[1] == sent)) ->
     if :: V.sending[0] == sent -> V.sending[0] = to_send :: else fi;
     if :: V.sending[1] == sent -> V.sending[1] = to_send :: else fi }
  /* event: quiet */
  :: atomic { silences > 0 && (V.phase == syncing || V.phase == live) && nfull(to_guest[v]) ->
     silences--; V.phase = probing; to_guest[v] ! ping, V.nonce, 0, 0 }
  :: atomic { silences > 0 && V.phase == probing && nfull(to_guest[v]) ->
     silences--; V.phase = lost; to_guest[v] ! hello_request, 0, 0, 0 }
  /* The ping or the call went unheard: calls go on. */
  :: atomic { (V.phase == probing || V.phase == lost) && QUIET ->
     V.phase = lost; to_guest[v] ! hello_request, 0, 0, 0 }
  /* The guest's words. */
  :: atomic { V.welcomes && nfull(to_guest[v]) ->
     V.welcomes = false; to_guest[v] ! hello_ack, V.nonce, 0, 0 }
  /* event: new hello */
  :: atomic { V.phase != no_channel && to_host[v] ? [hello, _, _, _] ->
     to_host[v] ? hello, n, x, dealt;
     V.phase = greeted;
     V.nonce = n;
     if
     :: x != V.session_boot -> new_boot(x)
     :: else ->
        if :: V.sending[0] == sent -> V.sending[0] = to_send :: else fi;
        if :: V.sending[1] == sent -> V.sending[1] = to_send :: else fi
     fi;
     choose(dealt);
     V.phase = syncing;
     V.welcomes = true;
     settle_phase();
     n = 0; x = 0; dealt = 0; CHECK }
  /* event: heard */
  :: atomic { V.phase != no_channel && to_host[v] ? [verdict, _, _, _] ->
     to_host[v] ? verdict, n, x, _;
     if
     :: STANDS && n == V.nonce && V.wanted[x] && V.sending[x] != answered ->
        if :: V.uncommitted[x] -> commit(x) :: else fi;
        V.sending[x] = answered;
        V.life[x] = retired;
        heard();
        settle_phase()
     :: else
     fi;
     n = 0; x = 0; CHECK }
  :: atomic { V.phase != no_channel && to_host[v] ? [pong, _, _, _] ->
     to_host[v] ? pong, n, _, _;
     if :: STANDS && n == V.nonce -> heard(); settle_phase() :: else fi;
     n = 0 }
  od
}

proctype Guest(byte v) {
  byte n, x;
end:
  do
  /* The agent hears that somebody is connected. */
  :: atomic { V.agent == no_host && V.phase != no_channel -> greet() }
  /* Hello due. */
  :: atomic { V.agent == greeting && QUIET && !V.greets && !V.welcomes && V.phase != no_channel ->
     greet() }
  :: atomic { V.greets && nfull(to_host[v]) ->
     V.greets = false; to_host[v] ! hello, V.agent_nonce, V.boot, DEALT }
  :: atomic { to_guest[v] ? [hello_request, _, _, _] ->
     to_guest[v] ? hello_request, _, _, _;
     /* one that comes right behind a hello was sent before that was heard */
     if
     :: V.agent == greeting && (V.greets || len(to_host[v]) > 0)
     :: V.agent != greeting || (!V.greets && len(to_host[v]) == 0) -> greet()
     fi }
  :: atomic { to_guest[v] ? [hello_ack, _, _, _] ->
     to_guest[v] ? hello_ack, n, _, _;
     if :: V.agent == greeting && n == V.agent_nonce -> V.agent = agent_live :: else fi;
     n = 0 }
  :: atomic { to_guest[v] ? [poison, _, _, _] ->
     to_guest[v] ? poison, n, x, _;
     if
     :: V.agent == agent_live && n == V.agent_nonce && V.owes[x] == 0 -> V.owes[x] = 1
     :: else
     fi;
     n = 0; x = 0 }
  :: atomic { to_guest[v] ? [ping, _, _, _] ->
     to_guest[v] ? ping, n, _, _;
     if
     :: V.agent == agent_live && n == V.agent_nonce && len(to_host[v]) < ROOM ->
        to_host[v] ! pong, n, 0, 0
     :: V.agent != agent_live || n != V.agent_nonce || len(to_host[v]) == ROOM
     fi;
     n = 0 }
  :: atomic { V.owes[0] == 1 -> V.flagged[0] = true; V.owes[0] = 2 }
  :: atomic { V.owes[1] == 1 -> V.flagged[1] = true; V.owes[1] = 2 }
  :: atomic { V.owes[0] == 2 && V.agent == agent_live && nfull(to_host[v]) ->
     to_host[v] ! verdict, V.agent_nonce, 0, 0; V.owes[0] = 0 }
  :: atomic { V.owes[1] == 2 && V.agent == agent_live && nfull(to_host[v]) ->
     to_host[v] ! verdict, V.agent_nonce, 1, 0; V.owes[1] = 0 }
  od
}

inline agent_begins() {
  V.agent = no_host;
  V.agent_nonce = 0;
  V.greets = false;
  V.owes[0] = 0;
  V.owes[1] = 0
}

/* Memory goes bad, guests boot, agents die: at any time. */
proctype Fate(byte v) {
end:
  do
  :: atomic { V.slot[0] == 0 -> V.slot[0] = 1 }
  :: atomic { V.slot[1] == 0 -> V.slot[1] = 1 }
  :: atomic { V.boot < BOOTS ->
     V.boot++;
     V.flagged[0] = false;
     V.flagged[1] = false;
     agent_begins();
     maybe_flush(to_guest[v]); CHECK }
  :: atomic { agent_deaths > 0 ->
     agent_deaths--;
     agent_begins();
     maybe_flush(to_guest[v]) }
  :: atomic { losses > 0 && nempty(to_guest[v]) -> losses--; to_guest[v] ? gone, _, _, _ }
  :: atomic { losses > 0 && nempty(to_host[v]) -> losses--; to_host[v] ? gone, _, _, _ }
  od
}

/* The notifier dies for all VMs at once. What it had not committed is in the rings. */
proctype NotifierDies() {
  byte v;
end:
  do
  :: atomic { deaths > 0 ->
     deaths--;
     v = 0;
     do
     :: v < VMS ->
        V.phase = no_channel;
        V.nonce = 0;
        V.welcomes = false;
        V.session_boot = 0;
        V.wanted[0] = false; V.wanted[1] = false;
        V.uncommitted[0] = false; V.uncommitted[1] = false;
        V.sending[0] = to_send; V.sending[1] = to_send;
        /* the agent sees the port's other end go, and greets whoever comes */
        V.agent = no_host;
        V.greets = false;
        maybe_flush(to_guest[v]);
        maybe_flush(to_host[v]);
        v++
     :: else -> break
     od;
     v = 0 }
  od
}

/* When nothing moves any more, everything that went bad is retired, on record, in this boot. */
#define DONE(p) \
  (V.slot[p] == 0 || (V.slot[p] == 2 && V.rows[p] == 1 && V.life[p] == retired && \
                      V.flagged[p] && V.ledger_boot == V.boot))
proctype Judge() {
  byte v;
  timeout -> atomic {
    do
    :: v < VMS -> assert(DONE(0) && DONE(1) && V.phase == live); v++
    :: else -> break
    od }
}

init {
  byte v;
  atomic {
    do
    :: v < VMS ->
       V.boot = 1;
       V.phase = no_channel;
       V.agent = no_host;
       V.life[0] = reported; V.life[1] = reported;
       V.sending[0] = to_send; V.sending[1] = to_send;
       run Notifier(v);
       run Guest(v);
       run Fate(v);
       v++
    :: else -> break
    od;
    run NotifierDies();
    run Judge()
  }
}
