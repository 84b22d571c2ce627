-- Ends a request: its lease is given back, and its tokens are put right.
-- KEYS: as in take.lua. ARGV: requests a minute, burst, tokens a minute, tokens to add, lease.
local requests_rate, burst, tokens_rate = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local more = tonumber(ARGV[4])

redis.call('ZREM', KEYS[2], ARGV[5])
if tokens_rate > 0 and more ~= 0 then
  local requests, tokens = standing(KEYS[1], requests_rate, burst, tokens_rate)
  tokens = math.min(math.max(tokens + more * minute, 0), 2 * tokens_rate * minute)
  keep(KEYS[1], requests, tokens, requests_rate, tokens_rate)
end
return 1
