"""The words of every fault of a company folder: what is wrong, and what to do."""

WORDS: dict[str, tuple[str, str]] = {
    # The folder and its files.
    "no_folder": ("Папки «{directory}» нет.", "There is no folder “{directory}”."),
    "no_company": (
        "В папке «{directory}» нет файла company.toml.",
        "The folder “{directory}” has no company.toml.",
    ),
    "missing_file": ("Нет файла {name}.", "The file {name} is missing."),
    "unknown_file": ("Файл {name} здесь не читается.", "The file {name} is not read here."),
    "duplicate_source": (
        "Имя «{name}» уже занято файлом {first}.",
        "The name “{name}” already belongs to {first}.",
    ),
    "link_outside": (
        "Это ссылка на место вне папки компании: она не читается.",
        "This is a link to a place outside the company's folder: it is not read.",
    ),
    "not_a_file": ("Это не обычный файл.", "This is not an ordinary file."),
    "unreadable_file": ("Файл не открывается: {detail}.", "The file cannot be opened: {detail}."),
    "file_too_big": (
        "Файл больше {limit}: это не описание.",
        "The file is larger than {limit}: no description is.",
    ),
    "mapping_without_file": (
        "Описание есть, а файла измерений с именем {name} нет.",
        "There is a description but no usage file named {name}.",
    ),
    # Text.
    "toml_syntax": (
        "Строка {line}, позиция {column}: {detail:foreign}.",
        "Line {line}, column {column}: {detail}.",
    ),
    "wrong_encoding": (
        "Файл записан не в UTF-8, а, похоже, в {guess}.",
        "The file is not UTF-8 but probably {guess}.",
    ),
    "not_utf8": (
        "Байт {byte} в строке не складывается в букву UTF-8.",
        "Byte {byte} of the row does not make a letter of UTF-8.",
    ),
    "nul_byte": ("В строке нулевой байт.", "The row contains a NUL byte."),
    "line_too_long": (
        "Строка длиннее {limit}: прочитано и отброшено.",
        "The line is longer than {limit}: read past and refused.",
    ),
    "bad_csv": (
        "Строка не разбирается как CSV: {detail:foreign}.",
        "The row is not readable as CSV: {detail}.",
    ),
    "no_header": ("В файле нет строки с названиями колонок.", "The file has no header row."),
    "ragged_row": (
        "Полей {found}, а колонок {expected}.",
        "{found} fields where there are {expected} columns.",
    ),
    "bad_gzip": (
        "Сжатый файл повреждён или оборван.",
        "The compressed file is damaged or cut off.",
    ),
    "gzip_bomb": (
        "Файл разворачивается больше чем в {ratio} раз: похоже на бомбу.",
        "The file unpacks to more than {ratio} times its size: it looks like a bomb.",
    ),
    "too_many_faults": (
        "Больше {limit} ошибок: чтение файла остановлено.",
        "More than {limit} faults: reading of the file was stopped.",
    ),
    # Columns and keys.
    "unknown_column": (
        "Колонка «{name}» неизвестна.{hint_ru}",
        "Column “{name}” is not known.{hint_en}",
    ),
    "duplicate_column": (
        "Колонка «{name}» стоит дважды.",
        "Column “{name}” stands twice.",
    ),
    "missing_column": ("Нет колонки «{name}».", "Column “{name}” is missing."),
    "unknown_key": (
        "Ключ «{name}» здесь неизвестен.{hint_ru}",
        "Key “{name}” is not known here.{hint_en}",
    ),
    "duplicate_key": ("Ключ «{name}» указан дважды.", "Key “{name}” stands twice."),
    "missing_value": ("Поле «{field}» не заполнено.", "Field “{field}” is empty."),
    "wrong_type": (
        "Здесь нужно другое: {expected_ru}.",
        "Something else is needed here: {expected_en}.",
    ),
    # Values.
    "bad_code": ("«{value}» не годится как код.", "“{value}” cannot be a code."),
    "bad_text": (
        "В тексте управляющий символ или больше {limit} знаков.",
        "The text has a control character or more than {limit} characters.",
    ),
    "formula": (
        "Значение «{value}» начинается как формула электронной таблицы.",
        "The value “{value}” begins like a spreadsheet formula.",
    ),
    "bad_date": ("«{value}» не дата.", "“{value}” is not a date."),
    "bad_time": ("«{value}» не время.", "“{value}” is not a time."),
    "bad_number": ("«{value}» не число.", "“{value}” is not a number."),
    "float_refused": (
        "Дробное число без кавычек неточно: {value}.",
        "A fractional number without quotes is not exact: {value}.",
    ),
    "out_of_range": (
        "Значение {value} вне границ: {bounds}.",
        "{value} is out of range: {bounds}.",
    ),
    "bad_word": (
        "«{value}» здесь не подходит.{hint_ru}",
        "“{value}” does not fit here.{hint_en}",
    ),
    "bad_currency": ("Валюта «{value}» неизвестна.", "The currency “{value}” is not known."),
    "bad_zone": ("Часовой пояс «{value}» неизвестен.", "The time zone “{value}” is not known."),
    "bad_cycle": ("«{value}» не период оплаты.", "“{value}” is no billing cycle."),
    "bad_inn": ("ИНН {value}: {ru}.", "INN {value}: {en}."),
    "bad_kpp": ("КПП {value}: {ru}.", "KPP {value}: {en}."),
    "bad_ogrn": ("ОГРН {value}: {ru}.", "OGRN {value}: {en}."),
    "bad_bik": ("БИК {value}: {ru}.", "BIK {value}: {en}."),
    "bad_account": ("Счёт {value}: {ru}.", "Account {value}: {en}."),
    "bad_email": ("«{value}» не адрес почты.", "“{value}” is not an e-mail address."),
    "bad_phone": ("«{value}» не номер телефона.", "“{value}” is not a phone number."),
    "bad_json": ("Не читается как JSON: {detail:foreign}.", "Not readable as JSON: {detail}."),
    "bad_period": ("Конец {end} не позже начала {start}.", "The end {end} is not after {start}."),
    "bad_series": (
        "Шаблон номера «{value}» не складывается.",
        "The number template “{value}” does not work.",
    ),
    "percent_or_fixed": (
        "Скидка задаётся чем-то одним: percent, fixed или, в подписке, bonus.",
        "A discount has exactly one of percent, fixed and, in a subscription, bonus.",
    ),
    "bad_expression": ("Формула не читается: {ru}.", "The expression is not readable: {en}."),
    # What stands together.
    "duplicate_code": (
        "Код «{value}» уже занят: {first_file}, строка {first_row}.",
        "The code “{value}” is already taken: {first_file}, line {first_row}.",
    ),
    "price_conflict": (
        "У цены «{value}» две версии с одного дня: {first_file}, строка {first_row}.",
        "The price “{value}” has two versions from one day: {first_file}, line {first_row}.",
    ),
    "example_fails": (
        "Пример не сходится: по цене выходит {actual}, ожидалось {expected}.",
        "The example fails: the price gives {actual}, expected {expected}.",
    ),
    "payer_cycle": (
        "Плательщики ссылаются друг на друга по кругу: {chain}.",
        "Payers refer to one another in a circle: {chain}.",
    ),
    "payer_has_payer": (
        "За плательщика «{value}» платит «{payer}», а плательщик платит за себя сам.",
        "The payer “{value}” is paid for by “{payer}”, and a payer pays for itself.",
    ),
    "bundle_cycle": (
        "Тарифы включают друг друга по кругу: {chain}.",
        "Plans include one another in a circle: {chain}.",
    ),
    "unknown_customer": ("Клиента «{value}» нет.{hint_ru}", "No customer “{value}”.{hint_en}"),
    "unknown_subscription": (
        "Подписки «{value}» нет.{hint_ru}",
        "No subscription “{value}”.{hint_en}",
    ),
    "unknown_plan": ("Тарифа «{value}» нет.{hint_ru}", "No plan “{value}”.{hint_en}"),
    "unknown_price": ("Цены «{value}» нет.{hint_ru}", "No price “{value}”.{hint_en}"),
    "unknown_meter": ("Счётчика «{value}» нет.{hint_ru}", "No meter “{value}”.{hint_en}"),
    "unknown_seller": ("Продавца «{value}» нет.{hint_ru}", "No seller “{value}”.{hint_en}"),
    "unknown_calendar": ("Календаря «{value}» нет.{hint_ru}", "No calendar “{value}”.{hint_en}"),
    "unknown_coupon": ("Купона «{value}» нет.{hint_ru}", "No coupon “{value}”.{hint_en}"),
    "unknown_phase": ("Этапа «{value}» у тарифа нет.{hint_ru}", "No phase “{value}”.{hint_en}"),
    "unknown_dimension": (
        "У счётчика нет измерения «{value}».{hint_ru}",
        "The meter has no dimension “{value}”.{hint_en}",
    ),
    # What was measured.
    "bad_value": ("«{value}» не измеренное число.", "“{value}” is not a measured number."),
    "bad_subject": (
        "Не указано, чьё это: нужна подписка или клиент, и что-то одно.",
        "Whose is it? A subscription or a customer is needed, and only one of the two.",
    ),
    "unknown_lookup": (
        "Значению «{value}» не соответствует ни одна строка ({lookup}).",
        "No row has the value “{value}” ({lookup}).",
    ),
    "ambiguous_lookup": (
        "Значению «{value}» соответствует несколько строк ({lookup}).",
        "Several rows have the value “{value}” ({lookup}).",
    ),
    "bad_parquet": (
        "Parquet не читается: {detail:foreign}.",
        "The Parquet is not readable: {detail}.",
    ),
    "parquet_type": (
        "Колонка «{name}» имеет тип {type}.",
        "Column “{name}” has the type {type}.",
    ),
    "local_time_resolved": (
        "Местное время не существует или бывает дважды: {count}, первая строка {first}. "
        "Выбрано по времени, прошедшему с предыдущей строки.",
        "Local times that do not exist or strike twice: {count}, the first in row {first}. "
        "Resolved by the time elapsed since the row before.",
    ),
}

REMEDIES: dict[str, tuple[str, str]] = {
    "no_folder": (
        "Проверьте путь или создайте компанию: ./kvit new {directory} --preset saas",
        "Check the path, or make a company: ./kvit new {directory} --preset saas",
    ),
    "no_company": (
        "Укажите папку компании или создайте её: ./kvit new НОВАЯ_ПАПКА --preset saas",
        "Name a company's folder, or make one: ./kvit new NEW_FOLDER --preset saas",
    ),
    "missing_file": (
        "Создайте его; образец даёт ./kvit new.",
        "Make it; ./kvit new writes a sample.",
    ),
    "unknown_file": (
        "Переименуйте или уберите его.{hint_ru}",
        "Rename it or take it away.{hint_en}",
    ),
    "duplicate_source": (
        "Оставьте один из двух файлов или переименуйте второй.",
        "Keep one of the two, or rename the second.",
    ),
    "link_outside": (
        "Скопируйте сам файл в папку или дайте команде ту папку, где он лежит.",
        "Copy the file itself into the folder, or give the command the folder it lies in.",
    ),
    "not_a_file": (
        "Положите сюда сам файл, а не устройство, канал или папку.",
        "Put the file itself here, not a device, a pipe or a folder.",
    ),
    "unreadable_file": (
        "Проверьте права на чтение.",
        "Check that it may be read.",
    ),
    "file_too_big": (
        "Измерения кладут в usage/, списки в CSV.",
        "Measurements belong in usage/, lists in CSV.",
    ),
    "mapping_without_file": (
        "Положите рядом {name}.csv, .jsonl или .parquet либо уберите описание.",
        "Put {name}.csv, .jsonl or .parquet beside it, or take the description away.",
    ),
    "toml_syntax": (
        "Исправьте запись TOML: тексты и числа в кавычках, ключ и значение через «=».",
        "Correct the TOML: texts and numbers in quotes, key and value joined by “=”.",
    ),
    "wrong_encoding": (
        "Сохраните файл в UTF-8: в Excel это «CSV UTF-8».",
        "Save the file as UTF-8: in Excel that is “CSV UTF-8”.",
    ),
    "not_utf8": ("Исправьте эту строку в UTF-8.", "Correct this row in UTF-8."),
    "nul_byte": ("Уберите нулевой байт или выгрузите файл заново.", "Remove it or export again."),
    "line_too_long": (
        "Проверьте, что строки разделены переводом строки.",
        "Check that lines end in a line feed.",
    ),
    "bad_csv": (
        "Проверьте кавычки этой записи: кавычка внутри поля удваивается.",
        "Check the quotes of this record: a quote inside a field is doubled.",
    ),
    "no_header": (
        "Первой строкой назовите колонки.",
        "Name the columns in the first row.",
    ),
    "ragged_row": (
        "Проверьте разделители; текст с разделителем внутри возьмите в кавычки.",
        "Check the delimiters; put a text that contains one in quotes.",
    ),
    "bad_gzip": ("Сожмите или скопируйте файл заново.", "Compress or copy the file again."),
    "gzip_bomb": ("Распакуйте файл и проверьте его.", "Unpack the file and look at it."),
    "too_many_faults": (
        "Исправьте названные и запустите снова.",
        "Correct those named and run again.",
    ),
    "unknown_column": (
        "Исправьте название или уберите колонку; возможны: {known}.",
        "Correct the name or remove the column; possible: {known}.",
    ),
    "duplicate_column": ("Оставьте одну.", "Keep one of them."),
    "missing_column": ("Добавьте её.", "Add it."),
    "unknown_key": (
        "Исправьте имя или уберите ключ; возможны: {known}.",
        "Correct the name or remove the key; possible: {known}.",
    ),
    "duplicate_key": ("Оставьте один.", "Keep one of them."),
    "missing_value": ("Заполните его.", "Fill it in."),
    "wrong_type": ("Исправьте значение.", "Correct the value."),
    "bad_code": (
        "Код начинается с буквы или цифры, без пробелов, до 64 знаков.",
        "A code begins with a letter or digit, has no spaces and at most 64 characters.",
    ),
    "bad_text": ("Сократите или очистите текст.", "Shorten or clean the text."),
    "formula": (
        "Уберите первый знак: открытая в таблице, такая запись выполнится.",
        "Remove the first character: a spreadsheet would run it.",
    ),
    "bad_date": ("Запишите дату как 2026-10-31.", "Write the date as 2026-10-31."),
    "bad_time": (
        "Запишите время как 2026-10-31T09:00:00+03:00 или без пояса; годы с 1970 по 2199.",
        "Write the time as 2026-10-31T09:00:00+03:00, or without the zone; years 1970 to 2199.",
    ),
    "bad_number": (
        "Запишите десятичное число с точкой, без пробелов: 1234.5.",
        "Write a decimal number with a point and no spaces: 1234.5.",
    ),
    "float_refused": ("Возьмите число в кавычки.", "Put the number in quotes."),
    "out_of_range": ("Исправьте значение.", "Correct the value."),
    "bad_word": ("Возможны: {known}.", "Possible: {known}."),
    "bad_currency": (
        "Укажите код ISO 4217, например RUB.",
        "Give an ISO 4217 code, such as RUB.",
    ),
    "bad_zone": (
        "Укажите имя пояса, например Europe/Moscow.",
        "Give a zone's name, such as Europe/Moscow.",
    ),
    "bad_cycle": (
        "Возможны: day, 10 days, week, 2 weeks, month, quarter, half-year, year.",
        "Possible: day, 10 days, week, 2 weeks, month, quarter, half-year, year.",
    ),
    "bad_inn": (
        "Сверьте цифры с документом: у компании их 10, у предпринимателя и человека 12.",
        "Compare the digits with the document: a company has 10, a person 12.",
    ),
    "bad_kpp": ("Сверьте его с документом.", "Compare it with the document."),
    "bad_ogrn": ("Сверьте его с документом.", "Compare it with the document."),
    "bad_bik": ("Сверьте его с реквизитами банка.", "Compare it with the bank's requisites."),
    "bad_account": (
        "Сверьте двадцать цифр счёта и БИК с реквизитами банка.",
        "Compare the account's twenty digits and the BIK with the bank's requisites.",
    ),
    "bad_email": ("Запишите адрес как name@example.ru.", "Write it as name@example.ru."),
    "bad_phone": ("Запишите номер как +79001234567.", "Write it as +79001234567."),
    "bad_json": (
        "Проверьте кавычки, скобки и запятые; каждый ключ стоит один раз.",
        "Check quotes, braces and commas; each key stands once.",
    ),
    "bad_period": (
        "Исправьте даты; конец не входит в период.",
        "Correct the dates; the end is not part of the period.",
    ),
    "bad_series": (
        "Нужен {{number}}; возможны также {{year}} и {{branch}}: {{year}}-{{number:05}}.",
        "It needs {{number}}; {{year}} and {{branch}} may be used: {{year}}-{{number:05}}.",
    ),
    "percent_or_fixed": ("Оставьте одно.", "Keep one of them."),
    "bad_expression": ("Исправьте формулу.", "Correct the expression."),
    "duplicate_code": (
        "Дайте второй записи другой код или уберите её.",
        "Give the second one another code, or remove it.",
    ),
    "price_conflict": (
        "Дайте одной из них другой день effective или уберите её.",
        "Give one of them another effective day, or remove it.",
    ),
    "example_fails": (
        "Исправьте цену или пример: до тех пор цена не публикуется.",
        "Correct the price or the example: until then the price is not published.",
    ),
    "payer_cycle": ("Разорвите круг.", "Break the circle."),
    "payer_has_payer": (
        "Назовите плательщиком «{payer}».",
        "Name “{payer}” as the payer.",
    ),
    "bundle_cycle": ("Разорвите круг.", "Break the circle."),
    "reference": (
        "Исправьте код или добавьте запись с ним.",
        "Correct the code, or add what it names.",
    ),
    "bad_value": (
        "Нужно число с точкой: до 18 знаков до неё и до 12 после.",
        "Write a number with a point: up to 18 digits before it and 12 after.",
    ),
    "bad_subject": (
        "Заполните одну из колонок: subscription или customer.",
        "Fill in one of the columns: subscription or customer.",
    ),
    "unknown_lookup": (
        "Добавьте это значение клиенту; строка ждёт.",
        "Give a customer this value; the row waits.",
    ),
    "ambiguous_lookup": (
        "Оставьте это значение у одной строки.",
        "Leave this value with one row only.",
    ),
    "bad_parquet": ("Выгрузите файл заново.", "Export the file again."),
    "parquet_type": (
        "Нужны текст, целое, decimal или timestamp; дробные (float) неточны.",
        "Text, integer, decimal or timestamp is needed; floats are not exact.",
    ),
    "local_time_resolved": (
        "Чтобы ничего не выбирать, пишите время с поясом.",
        "Write times with their zone, and nothing need be resolved.",
    ),
    "price": ("Исправьте поле «{field}».", "Correct the field “{field}”."),
}
REMEDIES |= {
    code: REMEDIES["reference"]
    for code in WORDS
    if code.startswith("unknown_") and code not in REMEDIES
}
