-- Counts a request, or nothing where a limit is in its way.
-- KEYS: the use; the leases of requests in flight, by when they end.
-- ARGV: requests a minute, burst, tokens a minute, tokens, concurrency, lease, its milliseconds.
-- Answers whether it was counted, and the use of requests and tokens and the requests in flight.
local requests_rate, burst, tokens_rate = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local cost, concurrency, lease = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])

local requests, tokens = standing(KEYS[1], requests_rate, burst, tokens_rate)
local active = 0
if concurrency > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now))
  active = redis.call('ZCARD', KEYS[2])
end
if (requests_rate > 0 and requests + minute > burst * minute)
  or (tokens_rate > 0 and tokens + cost * minute > tokens_rate * minute)
  or (concurrency > 0 and active >= concurrency) then
  return {0, requests, tokens, active}
end

if requests_rate > 0 then requests = requests + minute end
if tokens_rate > 0 then tokens = tokens + cost * minute end
keep(KEYS[1], requests, tokens, requests_rate, tokens_rate)
if concurrency > 0 then
  redis.call('ZADD', KEYS[2], whole(now + lease * 1000), ARGV[6])
  if redis.call('PTTL', KEYS[2]) < lease then redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
  active = active + 1
end
return {1, requests, tokens, active}
