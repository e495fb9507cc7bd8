-- What wrk sends: METHOD PREFIX SUFFIX COUNT, with a number in between that goes up and down the shelf.
local method, prefix, suffix, count, number, body

function init(args)
  method, prefix, suffix, count, number = args[1], args[2], args[3], tonumber(args[4]), 0
  if method == "POST" then
    wrk.headers["Content-Type"] = "application/json"
    body = "{}"
  end
end

function request()
  number = (number + 7919) % count
  return wrk.format(method, string.format("%s%06d%s", prefix, number, suffix), nil, body)
end
