#include "attune/explain/messages.h"

namespace attune::explain {

std::span<const Message> topic_messages() {
  static constexpr Message table[]{
      {"title.positions", "Sinusoidal positions, every number", "Mã hoá vị trí hình sin: từng con số",
       "Синусоидальные позиции: каждое число"},
      {"section.positions", "Positions", "Vị trí", "Позиции"},
      {"positions.introduction",
       "Attention by itself knows nothing of order: if the tokens change places, its outputs change places and nothing "
       "else. So a vector that belongs to the position is added to each token.",
       "Bản thân attention không biết gì về thứ tự: nếu các token đổi chỗ, đầu ra cũng chỉ đổi chỗ theo. Vì thế người "
       "ta "
       "cộng vào mỗi token một vector ứng với vị trí của nó.",
       "Само по себе внимание ничего не знает о порядке: если токены переставить, выходы лишь переставятся вместе с "
       "ними. Поэтому к каждому токену прибавляют вектор его позиции."},
      {"positions.omega", "The angle by which each pair of columns turns from one position to the next.",
       "Góc mà mỗi cặp cột quay khi đi từ một vị trí sang vị trí kế tiếp.",
       "Угол, на который каждая пара столбцов поворачивается от позиции к позиции."},
      {"positions.wavelength",
       "The positions until a pair has turned once: short and long waves together tell places apart.",
       "Số vị trí để một cặp quay trọn một vòng: sóng ngắn và sóng dài cùng nhau phân biệt các vị trí.",
       "Число позиций на полный оборот пары: короткие и длинные волны вместе различают места."},
      {"positions.PE", "What is added: a sine and a cosine for each angle.",
       "Vector được cộng vào: mỗi góc một sin và một cos.", "Что прибавляется: синус и косинус для каждого угла."},
      {"positions.dot",
       "The scalar products of positions depend on their distance alone: every diagonal holds one number.",
       "Tích vô hướng của hai vị trí chỉ phụ thuộc khoảng cách: mỗi đường chéo chỉ có một giá trị.",
       "Скалярные произведения позиций зависят только от расстояния: на каждой диагонали одно число."},
      {"positions.R",
       "A step to the next position is one rotation, the same everywhere: “three words back” is a linear map.",
       "Một bước sang vị trí kế tiếp là một phép quay, ở đâu cũng như nhau: “lùi ba từ” là một ánh xạ tuyến tính.",
       "Шаг к следующей позиции — один и тот же поворот повсюду: «на три слова назад» — линейное отображение."},
      {"positions.difference", "So it is, up to rounding.", "Đúng như vậy, chỉ lệch do làm tròn.",
       "Так и есть, с точностью до округления."},
      {"title.initialisers", "Initialisers, and what they do to signals", "Khởi tạo trọng số và ảnh hưởng tới tín hiệu",
       "Инициализация весов и её действие на сигналы"},
      {"section.initialisers", "From layer to layer", "Từ lớp này sang lớp khác", "От слоя к слою"},
      {"initialisers.introduction",
       "A stack of layers of width {0} without norms or residual connections. Signals should neither die nor explode, "
       "on "
       "the way forward and on the way back.",
       "Một chồng lớp có độ rộng {0}, không chuẩn hoá, không kết nối tắt. Tín hiệu không nên tắt dần hay bùng nổ, cả ở "
       "lượt xuôi lẫn lượt ngược.",
       "Стопка слоёв ширины {0} без нормировок и обходных связей. Сигналы не должны ни затухать, ни взрываться — ни на "
       "пути вперёд, ни на пути назад."},
      {"initialisers.deviation", "The standard deviation of the first layer's weights.",
       "Độ lệch chuẩn của trọng số lớp thứ nhất.", "Стандартное отклонение весов первого слоя."},
      {"initialisers.histogram",
       "Their histogram: per cent of the weights in bins of half a standard deviation; the outer bins hold the rest.",
       "Biểu đồ tần suất: phần trăm trọng số trong mỗi khoảng nửa độ lệch chuẩn; hai khoảng ngoài cùng gồm cả phần còn "
       "lại.",
       "Их гистограмма: процент весов в интервалах по половине стандартного отклонения; в крайних — всё остальное."},
      {"initialisers.forward",
       "Forward: the mean square of the activations behind each layer (0: the input). It should stay within the same "
       "size.",
       "Lượt xuôi: trung bình bình phương của đầu ra mỗi lớp (0: đầu vào). Giá trị này nên giữ nguyên cỡ.",
       "Вперёд: средний квадрат активаций после каждого слоя (0 — вход). Порядок величины должен сохраняться."},
      {"initialisers.backward",
       "Backward, from the last layer up to the input: the mean square of the gradients there, of 1 at the end.",
       "Lượt ngược, từ lớp cuối lên đầu vào: trung bình bình phương của gradient, bắt đầu từ 1 ở cuối.",
       "Назад, от последнего слоя ко входу: средний квадрат градиентов; в конце он равен 1."},
      {"title.complexity", "What a layer costs", "Chi phí của một lớp", "Сколько стоит слой"},
      {"section.complexity", "Table 1 of “Attention Is All You Need”, in numbers",
       "Bảng 1 của bài “Attention Is All You Need”, bằng số", "Таблица 1 статьи «Attention Is All You Need» в числах"},
      {"complexity.introduction",
       "For n = {0} tokens, width d = {1}, a kernel of k = {2} and a neighbourhood of r = {3}. As in the paper, "
       "attention's "
       "projections (4 n d²) are not counted.",
       "Với n = {0} token, độ rộng d = {1}, nhân tích chập k = {2} và vùng lân cận r = {3}. Như trong bài báo, các "
       "phép "
       "chiếu của attention (4 n d²) không được tính.",
       "Для n = {0} токенов, ширины d = {1}, ядра k = {2} и окрестности r = {3}. Как и в статье, проекции внимания "
       "(4 n d²) не учтены."},
      {"complexity.operations", "Multiply-adds of a layer.", "Số phép nhân-cộng của một lớp.",
       "Умножений со сложением на слой."},
      {"complexity.sequential", "Steps that must wait for one another: what no number of cores shortens.",
       "Số bước phải chờ nhau: thêm bao nhiêu nhân cũng không rút ngắn được.",
       "Шаги, которые ждут друг друга: их не сократить никаким числом ядер."},
      {"complexity.path",
       "The longest way that information takes between two tokens, in layers or steps (convolutions dilated).",
       "Quãng đường dài nhất mà thông tin phải đi giữa hai token, tính bằng lớp hoặc bước (tích chập giãn).",
       "Самый длинный путь информации между двумя токенами, в слоях или шагах (свёртки с разрежением)."},
      {"complexity.milliseconds",
       "Milliseconds of a layer's forward if it ran at the rate of this machine's products, measured just now: {0} "
       "billion "
       "multiply-adds a second in float32. attune bench layers measures whole layers.",
       "Số mili giây của lượt xuôi nếu chạy đúng tốc độ nhân ma trận của máy này, vừa đo: {0} tỉ phép nhân-cộng mỗi "
       "giây, "
       "float32. attune bench layers đo cả lớp.",
       "Миллисекунд на прямой проход, если бы слой шёл со скоростью матричных произведений этой машины, измеренной "
       "сейчас: {0} млрд умножений со сложением в секунду, float32. Слои целиком измеряет attune bench layers."},
      {"section.complexity.mixers", "The mixers of this program", "Các mixer của chương trình này",
       "Смесители этой программы"},
      {"complexity.mixers",
       "Multiply-adds of each mixer's products in a layer's forward, its projections included, with {0} heads and "
       "everything else as a config has it by default (attune train --help: window, stride, block, features, "
       "landmarks ...).",
       "Số phép nhân-cộng trong các tích của mỗi mixer ở lượt xuôi của một lớp, kể cả các phép chiếu, với {0} đầu và "
       "mọi "
       "thiết lập khác theo mặc định (attune train --help: window, stride, block, features, landmarks ...).",
       "Умножений со сложением в произведениях каждого смесителя на прямой проход слоя, с проекциями, при {0} головах "
       "и "
       "прочих настройках по умолчанию (attune train --help: window, stride, block, features, landmarks ...)."},
      {"complexity.mixers.ratio", "The same, divided by that of full attention.",
       "Cũng số ấy, chia cho số của attention đầy đủ.", "То же, делённое на число полного внимания."},
      {"complexity.mixers.milliseconds",
       "Milliseconds at the rate of this machine's products. attune bench mixers measures the mechanisms themselves.",
       "Số mili giây theo tốc độ nhân ma trận của máy này. attune bench mixers đo chính các cơ chế.",
       "Миллисекунд при скорости матричных произведений этой машины. Сами механизмы измеряет attune bench mixers."},
      {"title.beam", "A beam search, step by step", "Tìm kiếm chùm (beam search), từng bước", "Лучевой поиск по шагам"},
      {"section.beam", "The tree, level by level", "Cây tìm kiếm, từng tầng", "Дерево, уровень за уровнем"},
      {"section.beam.results", "The results", "Kết quả", "Результаты"},
      {"beam.introduction",
       "In every step each living hypothesis is extended by every piece; the {0} most probable live on (→), those that "
       "end "
       "are finished (■), the others are dropped (×). Source: {1}",
       "Ở mỗi bước, mỗi giả thuyết còn sống được nối thêm mọi mảnh từ; {0} giả thuyết có xác suất cao nhất sống tiếp "
       "(→), "
       "giả thuyết đã kết thúc được giữ lại (■), còn lại bị loại (×). Câu nguồn: {1}",
       "На каждом шаге каждая живая гипотеза продолжается всеми возможными фрагментами; {0} самых вероятных живут "
       "дальше "
       "(→), закончившиеся откладываются (■), остальные отбрасываются (×). Исходное предложение: {1}"},
      {"beam.step", "The {0} best of {1} candidates, by the logarithm of their probability.",
       "{0} trong {1} ứng viên tốt nhất, theo logarit xác suất.",
       "Лучшие кандидаты, {0} из {1}, по логарифму вероятности."},
      {"beam.results", "The finished hypotheses by their score: log p divided by the length penalty.",
       "Các giả thuyết đã kết thúc, xếp theo điểm: log p chia cho hệ số phạt độ dài.",
       "Законченные гипотезы по оценке: log p, делённый на штраф за длину."},
  };
  return table;
}

}  // namespace attune::explain
