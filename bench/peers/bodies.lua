-- Bodies that are all different and as long as a SHA-256 in hex. The head is made once: formatting it for each request
-- would measure Lua.
local LENGTH = 64
local count = 0
local head

function init()
    wrk.method = "POST"
    head = wrk.format(nil, nil, nil, string.rep("0", LENGTH)):sub(1, -LENGTH - 1)
end

function request()
    count = count + 1
    return head .. string.format("%064x", count)
end
