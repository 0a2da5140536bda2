-- Records births with wrk: each request has a number of its own, made of thread and counter.
-- Arguments: the file of births (all but their beginning, a birth a line), a word for this run.
-- The token is in the environment. Answers that are not 201 are counted, and the first is shown.

local threads = {}

function setup(thread)
    table.insert(threads, thread)
    thread:set("number", #threads)
end

function init(arguments)
    tails = {}
    for line in io.lines(arguments[1]) do tails[#tails + 1] = line end
    start = '{"source_record_id":"' .. arguments[2] .. "-" .. number .. "-"
    headers = {
        ["Authorization"] = "Bearer " .. os.getenv("VITALEDGER_BENCH_TOKEN"),
        ["Content-Type"] = "application/json",
    }
    sent, others, first = 0, 0, ""
end

function request()
    sent = sent + 1
    local body = start .. sent .. '"' .. tails[sent % #tails + 1]
    return wrk.format("POST", "/v1/records/birth", headers, body)
end

function response(status, _, body)
    if status ~= 201 then
        others = others + 1
        if first == "" then first = status .. " " .. body end
    end
end

function done(summary, latency)
    local others = 0
    for _, thread in ipairs(threads) do
        others = others + thread:get("others")
        local first = thread:get("first")
        if first ~= "" then io.stderr:write("not recorded: " .. first .. "\n") end
    end
    local errors = summary.errors
    local broken = errors.connect + errors.read + errors.write + errors.timeout
    -- Microseconds, all of them.
    print("figure requests " .. summary.requests)
    print("figure others " .. others)
    print("figure broken " .. broken)
    print("figure duration " .. summary.duration)
    print("figure p50 " .. latency:percentile(50))
    print("figure p99 " .. latency:percentile(99))
    print("figure max " .. latency.max)
end
