-- What take.lua and settle.lua have in common. Use is in units, as in usage.go: a request or a
-- token is a minute of microseconds. The clock is Redis' own.
local minute = 60000000
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function whole(number) return string.format('%.0f', number) end

local function drained(used, rate, past, most)
  if rate == 0 then return 0 end
  return math.min(math.max(0, (tonumber(used) or 0) - past * rate), most * minute)
end

-- standing is the use of requests and tokens by now; what is not kept is nothing.
local function standing(key, requests_rate, burst, tokens_rate)
  local kept = redis.call('HMGET', key, 'requests', 'tokens', 'at')
  local past = math.max(0, now - (tonumber(kept[3]) or now))
  return drained(kept[1], requests_rate, past, burst), drained(kept[2], tokens_rate, past, 2 * tokens_rate)
end

-- keep writes the use down until nothing of it is left.
local function keep(key, requests, tokens, requests_rate, tokens_rate)
  local rest = 0
  if requests_rate > 0 then rest = requests / requests_rate end
  if tokens_rate > 0 then rest = math.max(rest, tokens / tokens_rate) end
  if rest == 0 then
    redis.call('DEL', key)
    return
  end
  redis.call('HSET', key, 'requests', whole(requests), 'tokens', whole(tokens), 'at', whole(now))
  redis.call('PEXPIRE', key, whole(math.ceil(rest / 1000) + 1000))
end
