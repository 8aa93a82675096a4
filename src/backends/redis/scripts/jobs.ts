import { lua } from "./prelude.js";

/** Reads jobs. ARGV[7..] ids. Answers of each job that is there: id, what it was created with, state, errors, result. */
export const GET = lua`
local reply = {}
if not exists then return answer(reply) end
for at = 7, #ARGV do
  if call('HEXISTS', base .. 'j', ARGV[at]) == 1 then answerJob(reply, ARGV[at]) end
end
return answer(reply)
`;

/**
 * Cancels a job. ARGV[7] id. Answers `N` (no such job), `A` and the job, or the status that stands in the way.
 */
export const CANCEL = lua`
local id = ARGV[7]
local state = exists and stateOf(id)
if not state then return finish({'N'}) end
local shown = state[8]
if shown[3] == PENDING then
  unput(shown[1], shown[2], state[4], id)
  endJob(id, state, CANCELED)
elseif shown[3] == RUNNING then
  if shown[8] == 0 then
    shown[8] = 1
    save(id, state, step(id, state, RUNNING))
  end
elseif shown[3] ~= CANCELED then
  return finish({shown[3]})
end
local reply = {'A'}
answerJob(reply, id)
trim(64)
return finish(reply)
`;

/**
 * DEAD to PENDING, ready now. ARGV[7..] ids.
 * Answers of each: `N`, the status that stands in the way, or `A`, and five more, the job where it is `A`.
 */
export const REPLAY = lua`
local reply = {}
for at = 7, #ARGV do
  local id = ARGV[at]
  local state = exists and stateOf(id)
  local shown = state and state[8]
  if not state then insert(reply, 'N')
  elseif shown[3] ~= DEAD then insert(reply, shown[3])
  else
    call('ZREM', base .. 'd', idKey(id) .. ':' .. shown[1])
    shown[5], shown[7], shown[10], shown[12] = 0, 0, now, 0
    giveBack(id, state)
    insert(reply, 'A')
    answerJob(reply, id)
  end
end
return finish(reply)
`;

/**
 * Deletes jobs that are in one of these states. ARGV[7] the states as digits, [8..] ids. Answers as REPLAY; the job is
 * as it was before.
 */
export const REMOVE = lua`
local reply = {}
local ids, members = {}, {}
local gone = {}
for at = 8, #ARGV do
  local id = ARGV[at]
  local state = exists and not gone[id] and stateOf(id)
  local shown = state and state[8]
  if not state then insert(reply, 'N')
  elseif not string.find(ARGV[7], shown[3], 1, true) then insert(reply, shown[3])
  else
    insert(reply, 'A')
    answerJob(reply, id)
    if shown[3] == PENDING then unput(shown[1], shown[2], state[4], id)
    elseif shown[3] == DEAD then call('ZREM', base .. 'd', idKey(id) .. ':' .. shown[1])
    else
      call('ZREM', base .. 'f', finishedMember(id, state, shown[3]))
      if shown[3] == CANCELED then call('HINCRBY', KEYS[1], 'k', -1) end
    end
    shown[4], shown[9] = shown[4] + 1, now
    insert(records, '["' .. id .. '",1,' .. cjson.encode(shown) .. ']')
    insert(ids, id)
    insert(members, idKey(id) .. ':' .. shown[1])
    gone[id] = true
  end
end
drop(ids, members)
return finish(reply)
`;
